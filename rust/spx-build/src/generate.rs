//! The definition of the flags goes in, a man page or a shell's completions come out.

use crate::args::Args;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

/// What can be made.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Man,
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// The text of the man page or the completions.
pub(crate) fn generate(kind: Kind) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut command = Args::command();
    let shell = match kind {
        Kind::Man => {
            clap_mangen::Man::new(command).render(&mut text)?;
            return Ok(text);
        }
        Kind::Bash => Shell::Bash,
        Kind::Elvish => Shell::Elvish,
        Kind::Fish => Shell::Fish,
        Kind::Powershell => Shell::PowerShell,
        Kind::Zsh => Shell::Zsh,
    };
    clap_complete::generate(shell, &mut command, "spx-build", &mut text);
    Ok(text)
}
