//! Fetches run on the I/O runtime, their results are consumed on the calling thread: awaiting and computing stay apart.

use super::{CancelToken, Error, Result, Stage};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// Bytes that may be in flight where the user sets no limit.
const DEFAULT_BUDGET: u64 = 256 << 20;

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
    pub(crate) memory_limit: Option<u64>,
}

impl Io<'_> {
    /// Starts all jobs, in order as far as the byte budget admits, and hands each result to `consume` as it arrives.
    ///
    /// # Errors
    /// The first error of `consume`, or that the run has been cancelled. Jobs under way are then dropped.
    pub(crate) fn stream<T, F>(
        &self,
        stage: Stage,
        jobs: Vec<Job<F>>,
        mut consume: impl FnMut(T) -> Result<()>,
    ) -> Result<()>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let total = self.memory_limit.unwrap_or(DEFAULT_BUDGET).div_ceil(KIB).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        let budget = Arc::new(Semaphore::new(total as usize));
        let (sender, mut receiver) = mpsc::channel(1);
        // Dropping the set aborts what is under way.
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
        drop(sender);
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled(stage));
            }
            match self.handle.block_on(async { tokio::time::timeout(POLL, receiver.recv()).await }) {
                Err(_waited) => {}
                Ok(None) => break,
                Ok(Some((result, _permit))) => consume(result)?,
            }
        }
        // A job that panicked has sent nothing: that must not pass for a result.
        while let Some(joined) = self.handle.block_on(tasks.join_next()) {
            if let Err(panic) = joined {
                return Err(Error::new(stage, super::ErrorKind::System, format!("a fetch broke off: {panic}")));
            }
        }
        Ok(())
    }
}
