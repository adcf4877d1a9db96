//! Fetches run on the I/O runtime, what they bring is worked on by the pool as soon as it is there, and the results are
//! handed on one after another: awaiting and computing stay apart, and no core waits for another job's last tile.

use super::{CancelToken, Error, ErrorKind, Result, Stage};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// The unit in which bytes are counted by the semaphore.
const KIB: u64 = 1024;

/// How often a waiting consumer looks whether it has been cancelled.
const POLL: Duration = Duration::from_millis(50);

/// A fetch, the work on what it brings, and the bytes that both will hold until their result is consumed.
pub(crate) struct Job<F, W> {
    pub(crate) bytes: u64,
    pub(crate) fetch: F,
    pub(crate) work: W,
}

/// Where jobs run and how much they may hold.
pub(crate) struct Io<'a> {
    /// Where fetches are awaited.
    pub(crate) handle: &'a Handle,
    pub(crate) cancel: &'a CancelToken,
    /// Where work is done and results are consumed.
    pub(crate) pool: &'a Arc<rayon::ThreadPool>,
    /// Bytes that may be in flight.
    pub(crate) budget: u64,
}

/// A job's result, None where its work broke off, and its share of the budget.
type Done<R> = (Option<R>, Option<OwnedSemaphorePermit>);

/// Jobs under way; dropping it aborts their fetches.
pub(crate) struct Flow<R> {
    stage: Stage,
    receiver: mpsc::UnboundedReceiver<Done<R>>,
    tasks: JoinSet<()>,
}

impl Io<'_> {
    /// Starts all jobs, in order as far as the byte budget admits.
    pub(crate) fn start<F, W, R>(&self, stage: Stage, jobs: Vec<Job<F, W>>) -> Flow<R>
    where
        F: Future<Output: Send> + Send + 'static,
        W: FnOnce(F::Output) -> R + Send + 'static,
        R: Send + 'static,
    {
        let total = (self.budget / KIB).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        let budget = Arc::new(Semaphore::new(total as usize));
        // The budget bounds what waits in it.
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for Job { bytes, fetch, work } in jobs {
            let (sender, budget, pool) = (sender.clone(), budget.clone(), self.pool.clone());
            let permits = bytes.div_ceil(KIB).clamp(1, u64::from(total)) as u32;
            let task = async move {
                // The semaphore does not close.
                let permit = budget.acquire_many_owned(permits).await.ok();
                let fetched = fetch.await;
                pool.spawn(move || {
                    // What is caught is told by the consumer; nothing that the work has touched is used again.
                    let result = catch_unwind(AssertUnwindSafe(|| work(fetched))).ok();
                    // Nobody listens any more where the run has ended early.
                    sender.send((result, permit)).ok();
                });
            };
            tasks.spawn_on(task, self.handle);
        }
        Flow { stage, receiver, tasks }
    }

    /// Hands each result of a flow to `consume`, on the pool, as it arrives; the calling thread waits.
    ///
    /// # Errors
    /// The first error of `consume`, or that the run has been cancelled. Jobs under way are then dropped.
    pub(crate) fn consume<R: Send>(
        &self,
        mut flow: Flow<R>,
        mut consume: impl FnMut(R) -> Result<()> + Send,
    ) -> Result<()> {
        let broke_off = |what: String| Error::new(flow.stage, ErrorKind::System, what);
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::cancelled(flow.stage));
            }
            match self.handle.block_on(async { tokio::time::timeout(POLL, flow.receiver.recv()).await }) {
                Err(_waited) => {}
                Ok(None) => break,
                Ok(Some((Some(result), _permit))) => self.pool.install(|| consume(result))?,
                Ok(Some((None, _))) => return Err(broke_off("the work on a fetch broke off".to_owned())),
            }
        }
        // A fetch that panicked has sent nothing: that must not pass for a result.
        while let Some(joined) = self.handle.block_on(flow.tasks.join_next()) {
            if let Err(panic) = joined {
                return Err(broke_off(format!("a fetch broke off: {panic}")));
            }
        }
        Ok(())
    }

    /// Starts jobs and hands each result to `consume` as it arrives.
    ///
    /// # Errors
    /// As [`Io::consume`].
    pub(crate) fn stream<F, W, R>(
        &self,
        stage: Stage,
        jobs: Vec<Job<F, W>>,
        consume: impl FnMut(R) -> Result<()> + Send,
    ) -> Result<()>
    where
        F: Future<Output: Send> + Send + 'static,
        W: FnOnce(F::Output) -> R + Send + 'static,
        R: Send + 'static,
    {
        self.consume(self.start(stage, jobs), consume)
    }
}
