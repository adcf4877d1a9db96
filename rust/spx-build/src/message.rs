//! Text goes in and out to the user: data to stdout, words to stderr. A reader that has gone is no failure.

use std::io::{ErrorKind, Result, Write};

/// A line of words on stderr.
pub(crate) fn say(line: &str) {
    // Whoever does not listen misses nothing that the exit code does not say.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Data on stdout.
///
/// # Errors
/// Where stdout cannot be written, unless its reader has gone.
pub(crate) fn print(data: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
