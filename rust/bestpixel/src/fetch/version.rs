//! What answers say of a resource's version goes in, whether they may be put together comes out.

use serde::{Deserialize, Serialize};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What tells two versions of a resource apart, as far as an answer says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Version {
    pub(crate) etag: Option<String>,
    pub(crate) size: Option<u64>,
}

impl Version {
    /// Whether it is told by more than a size and a weak `ETag`, which stay where bytes change.
    fn is_exact(&self) -> bool {
        self.etag.as_ref().is_some_and(|etag| !etag.starts_with("W/"))
    }

    /// Nothing speaks against it.
    fn may_be(&self, other: &Self) -> bool {
        let differs = |a: Option<u64>, b: Option<u64>| a.is_some() && b.is_some() && a != b;
        let etags_differ = self.etag.is_some() && other.etag.is_some() && self.etag != other.etag;
        !etags_differ && !differs(self.size, other.size)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.etag.as_deref().unwrap_or("-"), self.size.unwrap_or(0))
    }
}

/// The version to which all delivered bytes of a source belong.
#[derive(Debug, Default)]
pub(crate) struct Pin(Mutex<Option<Pinned>>);

#[derive(Debug)]
struct Pinned {
    version: Version,
    /// The first range that was delivered, and a digest of its bytes.
    first: (Range<u64>, u64),
    /// Whether nothing else has been delivered.
    is_alone: bool,
}

impl Pin {
    /// Whether bytes of this version may be delivered, as far as is known before they have arrived.
    pub(crate) fn admits(&self, version: &Version) -> bool {
        self.lock().as_ref().is_none_or(|pinned| pinned.version.may_be(version))
    }

    /// Admits bytes for delivery, or not. The first ones pin their version.
    pub(crate) fn deliver(&self, version: &Version, range: &Range<u64>, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        match &mut *state {
            Some(pinned) if !pinned.version.may_be(version) => return false,
            Some(pinned) => pinned.is_alone = false,
            None => {
                let first = (range.clone(), digest(bytes));
                *state = Some(Pinned { version: version.clone(), first, is_alone: true });
            }
        }
        true
    }

    /// The version that is pinned, where it is known for certain.
    pub(crate) fn exact(&self) -> Option<Version> {
        self.lock().as_ref().map(|pinned| pinned.version.clone()).filter(Version::is_exact)
    }

    /// The one range that has been delivered so far, which could be read again to see whether it is the same in another
    /// version; None where it is more.
    pub(crate) fn only_range(&self) -> Option<Range<u64>> {
        self.lock().as_ref().filter(|pinned| pinned.is_alone).map(|pinned| pinned.first.0.clone())
    }

    /// Pins another version, if the only bytes delivered so far are the same in it.
    pub(crate) fn follow(&self, version: &Version, only_bytes: &[u8]) {
        if let Some(pinned) = &mut *self.lock()
            && pinned.is_alone
            && pinned.first.1 == digest(only_bytes)
        {
            pinned.version = version.clone();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pinned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(etag: &str) -> Version {
        Version { etag: Some(etag.to_owned()), size: Some(10) }
    }

    #[test]
    fn what_is_not_said_does_not_differ() {
        assert!(version("a").may_be(&Version::default()));
        assert!(version("a").may_be(&Version { size: Some(10), ..Version::default() }));
        assert!(!version("a").may_be(&Version { size: Some(11), ..Version::default() }));
        assert!(!version("a").may_be(&version("b")));
    }

    #[test]
    fn a_weak_etag_says_too_little() {
        let exact = |etag| {
            let pin = Pin::default();
            pin.deliver(&version(etag), &(0..4), b"0123");
            pin.exact()
        };
        assert_eq!(exact("\"a\""), Some(version("\"a\"")));
        assert_eq!((exact("W/\"a\""), Pin::default().exact()), (None, None));
    }

    #[test]
    fn the_first_delivery_pins() {
        let pin = Pin::default();
        assert!(pin.admits(&version("a")) && pin.deliver(&version("a"), &(0..4), b"0123"));
        assert!(!pin.admits(&version("b")) && !pin.deliver(&version("b"), &(4..8), b"4567"));
        assert!(pin.deliver(&version("a"), &(4..8), b"4567"));
    }

    #[test]
    fn another_version_is_followed_only_while_all_that_was_delivered_is_the_same() {
        let pin = Pin::default();
        assert_eq!(pin.only_range(), None);
        pin.deliver(&version("a"), &(0..4), b"0123");
        assert_eq!(pin.only_range(), Some(0..4));
        pin.follow(&version("b"), b"0129");
        assert!(!pin.admits(&version("b")));
        pin.follow(&version("b"), b"0123");
        assert!(pin.admits(&version("b")) && !pin.admits(&version("a")));
        pin.deliver(&version("b"), &(4..8), b"4567");
        pin.follow(&version("c"), b"0123");
        assert!(pin.admits(&version("b")) && pin.only_range().is_none());
    }
}
