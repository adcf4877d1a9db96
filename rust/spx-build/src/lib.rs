//! The command line `spx-build`: arguments go in, files and an exit code come out.
//!
//! Data goes to stdout, everything else to stderr.

#![forbid(unsafe_code)]

mod args;
mod bytes;
mod exit;
mod generate;
mod help;
mod log_lines;
mod message;
mod plan;
mod progress;
mod report;
mod signals;

use args::Args;
use bestpixel::fetch::Connections;
use bestpixel::pipeline::{
    CancelToken, Engine, Error, ErrorKind, Month, Result, check_output, make_plan, plan_months, run_months_to_folders,
    run_to_folder,
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
    log_lines::follow(args.log_level());
    execute(&args).unwrap_or_else(|error| fail(&error))
}

fn fail(error: &Error) -> u8 {
    say(&report::error(error));
    exit::code(error.kind)
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

/// Sets up threads and signals, does the work and tells of it; gives the exit code.
fn execute(args: &Args) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::system("the I/O runtime cannot be started", &error))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .build()
        .map_err(|error| Error::system("the threads for decoding cannot be started", &error))?;
    let cancel = CancelToken::default();
    let stopped = signals::watch(runtime.handle(), &cancel);
    let progress = progress::progress(args.display());
    let (io, pool, connections) = (runtime.handle().clone(), Arc::new(pool), Connections::default());
    let engine = Engine { io, pool, connections, cancel, progress };
    let done = if args.dry_run { plan(args, &engine) } else { build(args, &engine) };
    let code = match (done, stopped.code()) {
        // Signals are still heard: whoever reads stdout may take time.
        (Ok(text), _) => print(Ok(text.into_bytes())),
        (Err(error), Some(code)) if error.kind == ErrorKind::Cancelled => {
            say(&report::stopped(args));
            code
        }
        (Err(error), _) => fail(&error),
    };
    // What is still under way is of no use to anybody.
    runtime.shutdown_background();
    Ok(code)
}

/// Makes the plan; gives the text for stdout.
fn plan(args: &Args, engine: &Engine) -> Result<String> {
    let request = args.request();
    check_output(&request)?;
    let Some((years, months)) = args.period() else {
        let plan = make_plan(request.clone(), request.catalog(), engine)?;
        return Ok(if args.json { report::json(&plan) } else { plan::table(&plan) });
    };
    let months = Month::of(years, months)?;
    let plans = plan_months(&request, &months, &request.catalog(), engine)?;
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
    let made = run_months_to_folders(&request, &months, &request.catalog(), engine, &out_dir, args.output())?;
    Ok(report::months_written(args, &out_dir, &made))
}
