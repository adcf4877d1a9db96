//! Signals go in, the wish to stop comes out. The first one stops the run, which cleans up; a second one ends the
//! process at once.

use crate::exit;
use bestpixel::pipeline::CancelToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::runtime::Handle;

/// The exit code of the signal that came, 0 where none has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopped(Arc<AtomicU8>);

impl Stopped {
    /// The exit code of the signal that came.
    pub(crate) fn code(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&code| code != exit::SUCCESS)
    }
}

/// From now on SIGINT and SIGTERM stop what `cancel` belongs to.
pub(crate) fn watch(handle: &Handle, cancel: &CancelToken) -> Stopped {
    let stopped = Stopped::default();
    let _guard = handle.enter();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for (kind, code) in [(SignalKind::interrupt(), exit::INTERRUPTED), (SignalKind::terminate(), exit::TERMINATED)]
        {
            // Where a signal cannot be watched it keeps its default: it ends the process.
            let Ok(mut signals) = signal(kind) else { continue };
            let (stopped, cancel) = (stopped.clone(), cancel.clone());
            handle.spawn(async move {
                while signals.recv().await.is_some() {
                    stop(&stopped, &cancel, code);
                }
            });
        }
    }
    #[cfg(not(unix))]
    {
        let (stopped, cancel) = (stopped.clone(), cancel.clone());
        handle.spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                stop(&stopped, &cancel, exit::INTERRUPTED);
            }
        });
    }
    stopped
}

fn stop(stopped: &Stopped, cancel: &CancelToken, code: u8) {
    if stopped.0.swap(code, Ordering::Relaxed) != exit::SUCCESS {
        std::process::exit(i32::from(code));
    }
    cancel.cancel();
}
