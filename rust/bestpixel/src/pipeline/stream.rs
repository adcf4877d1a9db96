//! Fetches run on the I/O runtime, their results are consumed on the pool, one after another: awaiting and computing stay
//! apart.

use super::{CancelToken, Error, Result, Stage};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// The unit in which bytes are counted by the semaphore.
const KIB: u64 = 1024;

/// How often a waiting consumer looks whether it has been cancelled.
const POLL: Duration = Duration::from_millis(50);

/// A fetch and the bytes that it will hold until it is consumed.
pub(crate) struct Job<F> {
    pub(crate) bytes: u64,
    pub(crate) fetch: F,
}

/// Where fetches run and how much they may hold.
pub(crate) struct Io<'a> {
    pub(crate) handle: &'a Handle,
    pub(crate) cancel: &'a CancelToken,
    /// Where results are consumed.
    pub(crate) pool: &'a rayon::ThreadPool,
    /// Bytes that may be in flight.
    pub(crate) budget: u64,
}

/// Fetches under way; dropping it aborts them.
pub(crate) struct Flow<T> {
    stage: Stage,
    receiver: mpsc::Receiver<(T, Option<OwnedSemaphorePermit>)>,
    tasks: JoinSet<()>,
}

impl Io<'_> {
    /// Starts all jobs, in order as far as the byte budget admits.
    pub(crate) fn start<T, F>(&self, stage: Stage, jobs: Vec<Job<F>>) -> Flow<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let total = (self.budget / KIB).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        let budget = Arc::new(Semaphore::new(total as usize));
        let (sender, receiver) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        for job in jobs {
            let (sender, budget) = (sender.clone(), budget.clone());
            let permits = job.bytes.div_ceil(KIB).clamp(1, u64::from(total)) as u32;
            let task = async move {
                // Neither the semaphore nor the channel closes while the consumer is there.
                let permit = budget.acquire_many_owned(permits).await.ok();
                let result = job.fetch.await;
                sender.send((result, permit)).await.ok();
            };
            tasks.spawn_on(task, self.handle);
        }
        Flow { stage, receiver, tasks }
    }

    /// Hands each result of a flow to `consume`, on the pool, as it arrives; the calling thread waits.
    ///
    /// # Errors
    /// The first error of `consume`, or that the run has been cancelled. Jobs under way are then dropped.
    pub(crate) fn consume<T: Send>(
        &self,
        mut flow: Flow<T>,
        mut consume: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<()> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled(flow.stage));
            }
            match self.handle.block_on(async { tokio::time::timeout(POLL, flow.receiver.recv()).await }) {
                Err(_waited) => {}
                Ok(None) => break,
                Ok(Some((result, _permit))) => self.pool.install(|| consume(result))?,
            }
        }
        // A job that panicked has sent nothing: that must not pass for a result.
        while let Some(joined) = self.handle.block_on(flow.tasks.join_next()) {
            if let Err(panic) = joined {
                return Err(Error::new(flow.stage, super::ErrorKind::System, format!("a fetch broke off: {panic}")));
            }
        }
        Ok(())
    }

    /// Starts jobs and hands each result to `consume` as it arrives.
    ///
    /// # Errors
    /// As [`Io::consume`].
    pub(crate) fn stream<T, F>(
        &self,
        stage: Stage,
        jobs: Vec<Job<F>>,
        consume: impl FnMut(T) -> Result<()> + Send,
    ) -> Result<()>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.consume(self.start(stage, jobs), consume)
    }
}
