//! The exit codes: a function of the kind of failure. `--help` tells them.

use bestpixel::pipeline::ErrorKind;

/// Everything that was asked for is there.
pub(crate) const SUCCESS: u8 = 0;
/// The arguments are wrong.
pub(crate) const USAGE: u8 = 2;
/// Ended by SIGINT, as shells say it.
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM, as shells say it.
pub(crate) const TERMINATED: u8 = 143;

/// The code of a failure.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::System => 1,
        ErrorKind::Usage => USAGE,
        ErrorKind::NotFound | ErrorKind::Catalog | ErrorKind::NoScenes => 3,
        ErrorKind::Read | ErrorKind::Format => 4,
        ErrorKind::Write => 5,
        ErrorKind::Cancelled => INTERRUPTED,
    }
}
