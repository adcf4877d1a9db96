//! The exit codes: a function of the kind of failure.

use bestpixel::pipeline::ErrorKind;

/// Everything that was asked for is there.
pub(crate) const SUCCESS: u8 = 0;
/// The arguments are wrong.
pub(crate) const USAGE: u8 = 2;

/// The code of a failure. They are documented in `--help`.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::System => 1,
        ErrorKind::Usage => USAGE,
        ErrorKind::NotFound | ErrorKind::Catalog | ErrorKind::NoScenes => 3,
        ErrorKind::Read | ErrorKind::Format => 4,
        ErrorKind::Write => 5,
        ErrorKind::Cancelled => 130,
    }
}
