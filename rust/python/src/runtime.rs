//! The runtime, the pool and the connections of this process, and the one door into the core.
//!
//! Nothing is started at import. Threads do not survive a fork: a process that finds the state of its parent leaks it
//! and builds its own.

use super::log::Lines;
use bestpixel::fetch::Connections;
use bestpixel::pipeline::{CancelToken, Engine, Progress};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the calling thread looks for signals and hands on progress and log lines.
const POLL: Duration = Duration::from_millis(50);

/// So long a cancelled run is waited for. One that is in the middle of a long computation ends by itself, a little later.
const GRACE: Duration = Duration::from_millis(100);

/// What a process works with.
pub(crate) struct State {
    pid: u32,
    runtime: tokio::runtime::Runtime,
    pool: Arc<rayon::ThreadPool>,
    connections: Connections,
    /// What has been logged and not yet been handed to Python.
    pub(crate) lines: Lines,
}

/// Never freed: at exit the threads end with the process, after a fork they are not there.
static STATE: AtomicPtr<State> = AtomicPtr::new(std::ptr::null_mut());

/// One message of a run's progress.
type Step = (usize, usize, String, u64);

/// What a run tells the calling thread.
enum Event<T> {
    Step(Step),
    /// The result, or what a panic has left.
    End(Result<T, Box<dyn Any + Send>>),
}

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
    let state = State {
        pid: std::process::id(),
        runtime,
        pool: Arc::new(pool),
        connections: Connections::default(),
        lines: Lines::default(),
    };
    let state = Box::leak(Box::new(state));
    STATE.store(state, Ordering::Release);
    Ok(state)
}

/// The state of this process, if it has been built.
#[expect(unsafe_code, reason = "the check after a fork must not take a lock, which the parent may have held")]
pub(crate) fn current() -> Option<&'static State> {
    let pointer = STATE.load(Ordering::Acquire);
    // SAFETY: the pointer is null or comes from a leaked box, which is never freed or written to.
    unsafe { pointer.as_ref() }.filter(|state| state.pid == std::process::id())
}

/// The pool of this process.
pub(crate) fn pool() -> PyResult<Arc<rayon::ThreadPool>> {
    Ok(state()?.pool.clone())
}

/// Runs `work` beside the calling thread, which meanwhile lets other Python threads run, hands progress to `report` and
/// log lines to Python, and cancels the work when a signal (Ctrl-C) or an exception of `report` comes.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    report: Option<&Py<PyAny>>,
    work: impl FnOnce(&Engine) -> T + Send + 'static,
) -> PyResult<T> {
    let state = state()?;
    super::log::follow_python(py)?;
    let cancel = CancelToken::default();
    let (events, received) = channel();
    let engine = Engine {
        io: state.runtime.handle().clone(),
        pool: state.pool.clone(),
        connections: state.connections.clone(),
        cancel: cancel.clone(),
        progress: if report.is_some() { progress(events.clone()) } else { Arc::new(|_, _, _, _| ()) },
    };
    let body = move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&engine)));
        // Nobody listens where the run has been cancelled and taken too long to end.
        let _ = events.send(Event::End(result));
    };
    std::thread::Builder::new()
        .name("bestpixel-run".to_owned())
        .spawn(body)
        .map_err(|error| PyRuntimeError::new_err(format!("no thread can be started: {error}")))?;
    let result = py.detach(move || listen(&received, report, &cancel));
    super::log::hand_on(py)?;
    result
}

/// Runs `work` on borrowed data beside the calling thread, and cancels it when a signal comes. Unlike [`wait`] it waits
/// for the end: `work` has to look at the token often.
pub(crate) fn wait_here<T: Send>(py: Python<'_>, work: impl FnOnce(&CancelToken) -> T + Send) -> PyResult<T> {
    let cancel = &CancelToken::default();
    let (running, ended) = channel::<()>();
    py.detach(move || {
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                let _running = running;
                work(cancel)
            });
            let mut interrupted = None;
            while ended.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
                interrupted = interrupted.or_else(|| Python::attach(|py| attend(py, None, &[])).err());
                if interrupted.is_some() {
                    cancel.cancel();
                }
            }
            let result = worker.join().map_err(|_| broken_off());
            interrupted.map_or(result, Err)
        })
    })
}

/// Hands steps of a run to the calling thread.
fn progress<T: Send + 'static>(events: Sender<Event<T>>) -> Arc<Progress> {
    let events = Mutex::new(events);
    Arc::new(move |done, total, stage, bytes| {
        if let Ok(events) = events.lock() {
            let _ = events.send(Event::Step((done, total, stage.to_owned(), bytes)));
        }
    })
}

/// Waits for the end of a run, detached; attends to Python between.
fn listen<T: Send>(received: &Receiver<Event<T>>, report: Option<&Py<PyAny>>, cancel: &CancelToken) -> PyResult<T> {
    loop {
        let mut steps = Vec::new();
        match received.recv_timeout(POLL) {
            Ok(Event::End(result)) => return finished(result),
            Ok(Event::Step(step)) => steps.push(step),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(broken_off()),
        }
        let mut end = None;
        for event in received.try_iter() {
            match event {
                Event::Step(step) => steps.push(step),
                Event::End(result) => end = Some(result),
            }
        }
        if let Err(exception) = Python::attach(|py| attend(py, report, &steps)) {
            cancel.cancel();
            let patient_until = Instant::now() + GRACE;
            while end.is_none()
                && let Ok(event) = received.recv_timeout(patient_until.saturating_duration_since(Instant::now()))
            {
                end = if let Event::End(result) = event { Some(result) } else { None };
            }
            return Err(exception);
        }
        if let Some(result) = end {
            return finished(result);
        }
    }
}

fn finished<T>(result: Result<T, Box<dyn Any + Send>>) -> PyResult<T> {
    result.map_err(|_| broken_off())
}

fn broken_off() -> PyErr {
    PyRuntimeError::new_err("the run broke off: please report this")
}

/// Signals, log lines and the newest progress, while attached.
fn attend(py: Python<'_>, report: Option<&Py<PyAny>>, steps: &[Step]) -> PyResult<()> {
    py.check_signals()?;
    super::log::hand_on(py)?;
    let Some(report) = report else { return Ok(()) };
    for (i, step) in steps.iter().enumerate() {
        // Of a stage's steps that came together only the last is worth a call.
        if steps.get(i + 1).is_none_or(|next| next.2 != step.2) {
            report.call1(py, (step.0, step.1, &step.2, step.3))?;
        }
    }
    Ok(())
}
