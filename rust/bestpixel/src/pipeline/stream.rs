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

/// Bytes of memory: of what has been fetched, and of what becomes of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// As they were fetched: from the request until the work is done.
    pub(crate) fetched: u64,
    /// Decoded: from the work until its result is consumed.
    pub(crate) decoded: u64,
}

impl std::iter::Sum for Held {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        let add = |a: Self, b: Self| Self { fetched: a.fetched + b.fetched, decoded: a.decoded + b.decoded };
        parts.fold(Self::default(), add)
    }
}

/// A fetch, the work on what it brings, and what both will hold.
pub(crate) struct Job<F, W> {
    pub(crate) held: Held,
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
    /// What jobs may hold together.
    pub(crate) budget: Held,
}

/// One of the two budgets.
#[derive(Clone)]
struct Budget {
    units: u32,
    semaphore: Arc<Semaphore>,
}

impl Budget {
    fn new(bytes: u64) -> Self {
        let units = (bytes / KIB).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        Self { units, semaphore: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Waits until there is room for so many bytes; for more than the whole budget until all of it is free.
    async fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = bytes.div_ceil(KIB).clamp(1, u64::from(self.units)) as u32;
        // The semaphore does not close.
        self.semaphore.clone().acquire_many_owned(units).await.ok()
    }
}

/// A job's result, None where its work broke off, and its share of the budget for what is decoded.
type Done<R> = (Option<R>, Option<OwnedSemaphorePermit>);

/// Jobs under way; dropping it aborts their fetches.
pub(crate) struct Flow<R> {
    stage: Stage,
    receiver: mpsc::UnboundedReceiver<Done<R>>,
    tasks: JoinSet<()>,
}

impl Io<'_> {
    /// Starts all jobs, in order as far as the budgets admit.
    pub(crate) fn start<F, W, R>(&self, stage: Stage, jobs: Vec<Job<F, W>>) -> Flow<R>
    where
        F: Future<Output: Send> + Send + 'static,
        W: FnOnce(F::Output) -> R + Send + 'static,
        R: Send + 'static,
    {
        let (for_fetched, for_decoded) = (Budget::new(self.budget.fetched), Budget::new(self.budget.decoded));
        // The budgets bound what waits in it.
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for Job { held, fetch, work } in jobs {
            let (sender, pool) = (sender.clone(), self.pool.clone());
            let (for_fetched, for_decoded) = (for_fetched.clone(), for_decoded.clone());
            let task = async move {
                let fetching = for_fetched.take(held.fetched).await;
                let fetched = fetch.await;
                let permit = for_decoded.take(held.decoded).await;
                pool.spawn(move || {
                    // What is caught is told by the consumer; nothing that the work has touched is used again.
                    let result = catch_unwind(AssertUnwindSafe(|| work(fetched))).ok();
                    drop(fetching);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::runtime::Runtime;

    /// Runs jobs with a budget of 8 KiB each way; gives the sum of their results.
    fn run<F, W>(jobs: Vec<Job<F, W>>, cancel: &CancelToken) -> Result<usize>
    where
        F: Future<Output: Send> + Send + 'static,
        W: FnOnce(F::Output) -> usize + Send + 'static,
    {
        let runtime = Runtime::new().unwrap();
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap());
        let budget = Held { fetched: 8 * KIB, decoded: 8 * KIB };
        let io = Io { handle: runtime.handle(), cancel, pool: &pool, budget };
        let mut sum = 0;
        io.stream(Stage::Read, jobs, |result: usize| {
            sum += result;
            Ok(())
        })?;
        Ok(sum)
    }

    fn held(kib: u64) -> Held {
        Held { fetched: kib * KIB, decoded: kib * KIB }
    }

    /// Counts how many are inside at once, and the most of them so far.
    #[derive(Default)]
    struct Inside(AtomicUsize, AtomicUsize);

    impl Inside {
        fn enter(&self) {
            self.1.fetch_max(self.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        }

        fn leave(&self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }

        fn most(&self) -> usize {
            self.1.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn jobs_hold_no_more_than_their_budgets_and_large_ones_go_alone() {
        let (fetching, working) = (Arc::new(Inside::default()), Arc::new(Inside::default()));
        let job = |number: usize| {
            let (fetching, working) = (fetching.clone(), working.clone());
            let (fetched, in_fetch) = (fetching.clone(), fetching);
            let fetch = async move {
                in_fetch.enter();
                tokio::time::sleep(Duration::from_millis(2)).await;
            };
            let work = move |()| {
                working.enter();
                std::thread::sleep(Duration::from_millis(1));
                working.leave();
                // What was fetched is held as long as the work takes.
                fetched.leave();
                number
            };
            // The last one is larger than both budgets.
            Job { held: held(if number == 20 { 100 } else { 4 }), fetch, work }
        };
        assert_eq!(run((0..=20).map(job).collect(), &CancelToken::default()).unwrap(), 210);
        assert!((1..=2).contains(&working.most()) && fetching.most() == 2, "{} {}", working.most(), fetching.most());
    }

    #[test]
    fn a_panic_is_an_error_and_no_lost_result() {
        let work = |number: usize| move |()| if number == 3 { panic!("drawn up") } else { number };
        let jobs = (0..5).map(|number| Job { held: held(1), fetch: async {}, work: work(number) }).collect();
        let error = run(jobs, &CancelToken::default()).unwrap_err();
        assert_eq!((error.kind, error.stage), (ErrorKind::System, Stage::Read));
        let fetch = |number: usize| async move { assert_ne!(number, 3, "drawn up") };
        let jobs = (0..5).map(|number| Job { held: held(1), fetch: fetch(number), work: move |()| number }).collect();
        assert!(run(jobs, &CancelToken::default()).unwrap_err().message.contains("a fetch broke off"));
    }

    #[test]
    fn who_cancels_does_not_wait_for_fetches() {
        let cancel = CancelToken::default();
        let fetch = || tokio::time::sleep(Duration::from_secs(600));
        let jobs = vec![Job { held: held(1), fetch: async move { fetch().await }, work: |()| 0 }];
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run(jobs, &cancel));
            std::thread::sleep(Duration::from_millis(20));
            cancel.cancel();
            assert_eq!(running.join().unwrap().unwrap_err().kind, ErrorKind::Cancelled);
        });
    }
}
