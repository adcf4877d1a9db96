//! A folder goes in, an HTTP/1.1 range server on 127.0.0.1 comes out that counts requests and misbehaves on demand.
//!
//! Tests of the core, pytest (through the binary `origin`) and benchmarks share it. It lies beside the tests and depends
//! on nothing of ours, so that it is built in seconds and a change of the core does not build it anew.
//!
//! Control, by requests that are not counted: `GET /_origin/stats`, `DELETE /_origin/stats`, and
//! `PUT /_origin/behaviour` with a [`Behaviour`] as JSON.

#![forbid(unsafe_code)]

mod behaviour;
mod body;
mod files;
mod server;
mod service;
mod stats;

pub use behaviour::{Behaviour, Kind, Rule};
pub use server::Origin;
pub use stats::{Logged, Stats};
