//! The command: serves a folder, says where as one line of JSON, and counts and misbehaves as the library does.

#![forbid(unsafe_code)]

use bestpixel_origin::{Behaviour, Origin};
use clap::Parser;
use std::io::{Read, Write};
use std::path::PathBuf;

/// Serves a folder over HTTP/1.1 with byte ranges on 127.0.0.1.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The folder to serve.
    folder: PathBuf,
    /// The port to listen on; 0 takes one that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Delay, rate, seed and faults, as JSON.
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = parse_behaviour)]
    behaviour: Behaviour,
    /// End when standard input does: a child never outlives its parent.
    #[arg(long)]
    until_eof: bool,
}

fn parse_behaviour(text: &str) -> Result<Behaviour, serde_json::Error> {
    serde_json::from_str(text)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let origin = Origin::start(&args.folder, args.port, args.behaviour).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", serde_json::json!({ "port": origin.port(), "url": origin.url("") }))?;
    stdout.flush()?;
    if args.until_eof {
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        return Ok(());
    }
    tokio::signal::ctrl_c().await
}
