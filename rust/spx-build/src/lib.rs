//! The command line `spx-build`: arguments go in, files and an exit code come out.
//!
//! Data goes to stdout, everything else to stderr.

#![forbid(unsafe_code)]

mod args;
mod bytes;
mod exit;
mod generate;
mod help;
mod message;
mod plan;
mod progress;
mod report;
mod signals;

use args::Args;
use bestpixel::fetch::Connections;
use bestpixel::pipeline::{
    CancelToken, Engine, Error, ErrorKind, Month, Result, make_plan, plan_months, run_months_to_folders, run_to_folder,
};
use message::say;
use std::ffi::OsString;
use std::sync::Arc;

/// Runs the command with its arguments, the program's name first; gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Args::read(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to stdout and are no failure; a closed pipe is none either.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::SUCCESS };
        }
    };
    if let Some(kind) = args.generate {
        return print(generate::generate(kind));
    }
    match execute(&args) {
        Ok(text) => print(Ok(text.into_bytes())),
        Err((code, message)) => {
            say(&message);
            code
        }
    }
}

/// Data on stdout; gives the exit code.
fn print(data: std::io::Result<Vec<u8>>) -> u8 {
    match data.and_then(|data| message::print(&data)) {
        Ok(()) => exit::SUCCESS,
        Err(error) => {
            say(&format!("error: stdout cannot be written: {error}"));
            exit::code(ErrorKind::Write)
        }
    }
}

/// Sets up threads and signals and does the work; gives the text for stdout, or exit code and message.
fn execute(args: &Args) -> std::result::Result<String, (u8, String)> {
    let failed = |error: Error| (exit::code(error.kind), report::error(&error));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(Error::system("the I/O runtime cannot be started", &error)))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .map_err(|error| failed(Error::system("the threads for decoding cannot be started", &error)))?;
    let cancel = CancelToken::default();
    let stopped = signals::watch(runtime.handle(), &cancel);
    let progress = progress::progress(args.display());
    let (io, pool, connections) = (runtime.handle().clone(), Arc::new(pool), Connections::default());
    let engine = Engine { io, pool, connections, cancel, progress };
    let done = if args.dry_run { plan(args, &engine) } else { build(args, &engine) };
    // What is still under way is of no use to anybody.
    runtime.shutdown_background();
    done.map_err(|error| match stopped.code() {
        Some(code) if error.kind == ErrorKind::Cancelled => (code, "stopped: nothing has been written".to_owned()),
        _ => failed(error),
    })
}

/// Makes the plan; gives the text for stdout.
fn plan(args: &Args, engine: &Engine) -> Result<String> {
    let request = args.request();
    let Some((years, months)) = args.period() else {
        let plan = make_plan(request.clone(), request.catalog(), engine)?;
        return Ok(if args.json { report::json(&plan) } else { plan::table(&plan) });
    };
    let months = Month::of(years, months)?;
    let plans = plan_months(&request, &months, || request.catalog(), engine)?;
    Ok(if args.json { report::months_json(&plans) } else { plan::tables(&plans) })
}

/// Makes the composite, or one for each month; gives the text for stdout.
fn build(args: &Args, engine: &Engine) -> Result<String> {
    let (request, out_dir) = (args.request(), args.out_dir());
    let Some((years, months)) = args.period() else {
        let written = run_to_folder(request.clone(), request.catalog(), engine, &out_dir, args.output())?;
        report::tell(args, "", &out_dir, &written);
        return Ok(report::written(args, &out_dir, &written));
    };
    let months = Month::of(years, months)?;
    let made = run_months_to_folders(&request, &months, || request.catalog(), engine, &out_dir, args.output())?;
    Ok(report::months_written(args, &out_dir, &made))
}
