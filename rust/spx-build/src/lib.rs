//! The command line `spx-build`: arguments go in, files and an exit code come out.
//!
//! Data goes to stdout (one line of JSON), everything else to stderr.

#![forbid(unsafe_code)]

mod args;
mod exit;
mod report;

use args::Args;
use bestpixel::fetch::Connections;
use bestpixel::pipeline::{CancelToken, Engine, Error, ErrorKind, Result, Stage, make_plan, run_to_folder};
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

/// Runs the command with its arguments, the program's name first; gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to stdout and are no failure; a closed pipe is none either.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::SUCCESS };
        }
    };
    match execute(&args) {
        Ok(line) => match writeln!(std::io::stdout(), "{line}") {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => exit::code(ErrorKind::Write),
            _ => exit::SUCCESS,
        },
        Err(error) => {
            eprintln!("error: {}", error.full_message());
            exit::code(error.kind)
        }
    }
}

/// Makes the plan or the composite; gives the line for stdout.
fn execute(args: &Args) -> Result<String> {
    let system = |what: &str, error: &dyn std::error::Error| Error {
        stage: Stage::Request,
        kind: ErrorKind::System,
        message: format!("{what}: {error}"),
        source: None,
    };
    let request = args.request();
    let catalog = request.catalog();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| system("the I/O runtime cannot be started", &error))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .map_err(|error| system("the threads for decoding cannot be started", &error))?;
    let cancel = CancelToken::default();
    let engine = Engine {
        io: runtime.handle().clone(),
        pool: Arc::new(pool),
        connections: Connections::default(),
        cancel: cancel.clone(),
        progress: report::progress(args.quiet),
    };
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    if args.dry_run {
        return Ok(report::plan(&make_plan(request, catalog, &engine)?));
    }
    let out_dir = args.out_dir();
    let (metadata, paths) = run_to_folder(request, catalog, &engine, &out_dir)?;
    report::skipped(&metadata);
    Ok(report::summary(&metadata, &out_dir, &paths))
}
