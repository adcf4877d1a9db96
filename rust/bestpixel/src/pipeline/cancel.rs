//! The wish to stop, seen by all stages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared between the one who may cancel and those who work; polled between tiles.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    own: Arc<AtomicBool>,
    parent: Option<Arc<AtomicBool>>,
}

impl CancelToken {
    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_cancelled(&self) -> bool {
        std::iter::once(&self.own).chain(&self.parent).any(|flag| flag.load(Ordering::Relaxed))
    }

    /// For a part of the work: it stops with the whole, and can be stopped alone. A part of a part is one of the whole.
    pub(crate) fn child(&self) -> Self {
        Self { own: Arc::default(), parent: Some(self.parent.clone().unwrap_or_else(|| self.own.clone())) }
    }
}
