//! A host's bound on requests: answers go in, how many requests may be under way comes out.
//!
//! Additive increase, multiplicative decrease: a host that says it has too much gets half as much, and little by little
//! more again. Many requests are refused at once for one and the same reason: those that started before the last
//! decrease do not count again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// By how much the bound grows for each full round of successes.
const GROWTH: f64 = 4.0;

/// How a request ended, as far as the host's load is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// The host said that it has too much to do.
    Throttled,
    /// Given up or failed in another way: says nothing.
    Unknown,
}

/// The pure part.
#[derive(Debug)]
struct Window {
    limit: f64,
    max: f64,
    under_way: usize,
    /// Counts decreases.
    epoch: u64,
}

impl Window {
    fn new(max: usize) -> Self {
        Self { limit: max.max(1) as f64, max: max.max(1) as f64, under_way: 0, epoch: 0 }
    }

    fn has_room(&self) -> bool {
        (self.under_way as f64) < self.limit.floor()
    }

    /// Counts a request in, where there is room; gives the epoch in which it starts.
    fn enter(&mut self) -> Option<u64> {
        self.has_room().then(|| {
            self.under_way += 1;
            self.epoch
        })
    }

    /// Counts a request out; says whether the bound has become smaller.
    fn leave(&mut self, epoch: u64, outcome: Outcome) -> bool {
        let before = self.limit;
        self.under_way = self.under_way.saturating_sub(1);
        match outcome {
            Outcome::Success => self.limit = (self.limit + GROWTH / self.limit).min(self.max),
            Outcome::Throttled if epoch == self.epoch => {
                self.limit = (self.limit / 2.0).max(1.0);
                self.epoch += 1;
            }
            Outcome::Throttled | Outcome::Unknown => {}
        }
        self.limit < before
    }
}

/// The gate through which all requests to one host go.
#[derive(Debug)]
pub(crate) struct Gate {
    host: String,
    window: Mutex<Window>,
    left: Notify,
    /// Bounds the requests to all hosts.
    all: Arc<Semaphore>,
}

impl Gate {
    /// At most `max` requests at once, and no more to all hosts together than `all` has permits.
    pub(crate) fn new(host: &str, max: usize, all: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { host: host.to_owned(), window: Mutex::new(Window::new(max)), left: Notify::new(), all })
    }

    /// Waits for room. First at the host, then among all: whoever waits for a slow host holds up nobody else.
    pub(crate) async fn enter(self: &Arc<Self>) -> Pass {
        let epoch = loop {
            // A pass that is given back from here on wakes this waiter, or the next one if it is dropped.
            let left = self.left.notified();
            if let Some(epoch) = self.window().enter() {
                break epoch;
            }
            left.await;
        };
        let mut pass = Pass { gate: self.clone(), epoch, outcome: Outcome::Unknown, permit: None };
        // One waiter is woken for each that leaves, which is too few after the bound has grown.
        self.wake_one();
        // The semaphore is never closed, so a refusal cannot occur.
        pass.permit = self.all.clone().acquire_owned().await.ok();
        pass
    }

    fn wake_one(&self) {
        if self.window().has_room() {
            self.left.notify_one();
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    epoch: u64,
    /// How the request ended, once it is known.
    pub(crate) outcome: Outcome,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.permit.take();
        let (is_less, limit) = {
            let mut window = self.gate.window();
            (window.leave(self.epoch, self.outcome), window.limit)
        };
        if is_less {
            log::debug!("{} has too much to do: from now on at most {limit:.0} requests at once", self.gate.host);
        }
        self.gate.wake_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// One request after the other.
    fn run(window: &mut Window, outcome: Outcome, times: usize) {
        for _ in 0..times {
            let epoch = window.enter().unwrap();
            window.leave(epoch, outcome);
        }
    }

    #[test]
    fn a_burst_of_refusals_halves_once() {
        let mut window = Window::new(64);
        let epochs: Vec<u64> = (0..64).map(|_| window.enter().unwrap()).collect();
        assert_eq!(window.enter(), None);
        let shrunk = epochs.into_iter().filter(|&epoch| window.leave(epoch, Outcome::Throttled)).count();
        assert_eq!(shrunk, 1);
        assert_eq!((window.limit, window.under_way), (32.0, 0));
    }

    #[test]
    fn refusals_shrink_to_one_and_successes_grow_back() {
        let mut window = Window::new(64);
        run(&mut window, Outcome::Throttled, 20);
        assert_eq!(window.limit, 1.0);
        run(&mut window, Outcome::Unknown, 20);
        assert_eq!(window.limit, 1.0);
        run(&mut window, Outcome::Success, 100);
        assert!((20.0..40.0).contains(&window.limit), "{}", window.limit);
        run(&mut window, Outcome::Success, 1000);
        assert_eq!(window.limit, 64.0);
    }

    #[test]
    fn a_shrunken_window_lets_nobody_in_before_enough_have_left() {
        let mut window = Window::new(4);
        let epochs: Vec<u64> = (0..4).map(|_| window.enter().unwrap()).collect();
        window.leave(epochs[0], Outcome::Throttled);
        window.leave(epochs[1], Outcome::Unknown);
        assert_eq!((window.limit, window.enter()), (2.0, None));
        window.leave(epochs[2], Outcome::Unknown);
        assert!(window.enter().is_some());
    }

    #[tokio::test]
    async fn all_get_through_and_never_too_many_at_once() {
        let gate = Gate::new("host", 8, Arc::new(Semaphore::new(5)));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..200).map(|n| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            tokio::spawn(async move {
                let mut pass = gate.enter().await;
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                pass.outcome = if n % 20 == 0 { Outcome::Throttled } else { Outcome::Success };
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let all = futures_util::future::join_all(tasks.collect::<Vec<_>>());
        tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
        assert!((1..=5).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(gate.window().under_way, 0);
    }

    #[tokio::test]
    async fn a_dropped_waiter_leaves_its_turn_to_the_next() {
        let gate = Gate::new("host", 1, Arc::new(Semaphore::new(1)));
        let first = gate.enter().await;
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(gate.enter())).collect();
        for waiter in &mut waiters {
            assert!(tokio::time::timeout(Duration::from_millis(5), waiter).await.is_err());
        }
        let last = waiters.pop().unwrap();
        drop(first);
        drop(waiters);
        tokio::time::timeout(Duration::from_secs(5), last).await.unwrap();
    }
}
