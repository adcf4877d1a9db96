//! The native command: everything is in the library, so that the wheel's command is the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(spx_build::run(std::env::args_os()))
}
