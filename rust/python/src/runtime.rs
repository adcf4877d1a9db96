//! The runtime and the pool of this process, and the one door into the core.
//!
//! Nothing is started at import. Threads do not survive a fork: a process that finds the state of its parent leaks it
//! and builds its own.

use bestpixel::pipeline::{CancelToken, Engine, Progress};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often the calling thread looks for signals and hands on progress.
const POLL: Duration = Duration::from_millis(50);

/// What a process works with.
struct State {
    pid: u32,
    runtime: tokio::runtime::Runtime,
    pool: Arc<rayon::ThreadPool>,
}

/// Never freed: at exit the threads end with the process, after a fork they are not there.
static STATE: AtomicPtr<State> = AtomicPtr::new(std::ptr::null_mut());

/// One message of a run's progress.
type Step = (usize, usize, String, u64);

fn state() -> PyResult<&'static State> {
    if let Some(state) = current() {
        return Ok(state);
    }
    let failed = |error: &dyn std::error::Error| PyRuntimeError::new_err(format!("no threads can be started: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("bestpixel-io")
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .thread_name(|i| format!("bestpixel-{i}"))
        .build()
        .map_err(|error| failed(&error))?;
    let state = Box::leak(Box::new(State { pid: std::process::id(), runtime, pool: Arc::new(pool) }));
    STATE.store(state, Ordering::Release);
    Ok(state)
}

/// The state of this process, if it has been built.
#[expect(unsafe_code, reason = "the check after a fork must not take a lock, which the parent may have held")]
fn current() -> Option<&'static State> {
    let pointer = STATE.load(Ordering::Acquire);
    // SAFETY: the pointer is null or comes from a leaked box, which is never freed or written to.
    unsafe { pointer.as_ref() }.filter(|state| state.pid == std::process::id())
}

/// The pool of this process.
pub(crate) fn pool() -> PyResult<Arc<rayon::ThreadPool>> {
    Ok(state()?.pool.clone())
}

/// Runs `work` beside the calling thread, which meanwhile lets other Python threads run, hands progress to `report`, and
/// cancels the work when a signal (Ctrl-C) or an exception of `report` comes.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    report: Option<&Py<PyAny>>,
    work: impl FnOnce(&Engine) -> T + Send,
) -> PyResult<T> {
    let state = state()?;
    let cancel = CancelToken::default();
    let (steps, received) = channel::<Step>();
    let steps = Mutex::new(steps);
    let progress: Arc<Progress> = Arc::new(move |done, total, stage, bytes| {
        if let Ok(steps) = steps.lock() {
            // Nobody listens any more: the run is being cancelled.
            let _ = steps.send((done, total, stage.to_owned(), bytes));
        }
    });
    let engine =
        Engine { io: state.runtime.handle().clone(), pool: state.pool.clone(), cancel: cancel.clone(), progress };
    py.detach(move || {
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || work(&engine));
            let mut interrupted = None;
            loop {
                let step = received.recv_timeout(POLL);
                if step == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
                if interrupted.is_none()
                    && let Err(exception) = Python::attach(|py| attend(py, report, step.ok(), &received))
                {
                    cancel.cancel();
                    interrupted = Some(exception);
                }
            }
            let result = worker.join().map_err(|_| PyRuntimeError::new_err("the run broke off: please report this"));
            interrupted.map_or(result, Err)
        })
    })
}

/// Signals and the newest progress, while attached.
fn attend(
    py: Python<'_>,
    report: Option<&Py<PyAny>>,
    step: Option<Step>,
    received: &std::sync::mpsc::Receiver<Step>,
) -> PyResult<()> {
    py.check_signals()?;
    let (Some(report), Some(step)) = (report, step) else { return Ok(()) };
    let mut steps = vec![step];
    steps.extend(received.try_iter());
    for (i, step) in steps.iter().enumerate() {
        // Of a stage's steps that came together only the last is worth a call.
        if steps.get(i + 1).is_none_or(|next| next.2 != step.2) {
            report.call1(py, (step.0, step.1, &step.2, step.3))?;
        }
    }
    Ok(())
}
