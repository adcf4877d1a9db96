//! Requests go in, counts come out.

use super::Kind;
use serde::Serialize;
use std::collections::BTreeMap;

/// The log grows no longer than this.
const MAX_LOG: usize = 200_000;

/// What has been asked for and sent.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// By method and path, as in `GET /a.tif`.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of bodies that have been sent.
    pub bytes: u64,
    /// Connections that have been accepted.
    pub connections: u64,
    /// Faults that requests have met.
    pub faults: BTreeMap<Kind, u64>,
    /// Requests in the order in which they came.
    pub log: Vec<Logged>,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    /// GET, mostly.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The Range header.
    pub range: Option<String>,
    /// What it met.
    pub fault: Option<Kind>,
}

impl Stats {
    /// Counts a request in; gives how many came before it for the same path and method.
    pub(crate) fn arrive(&mut self, method: &str, path: &str) -> u64 {
        let count = self.requests.entry(format!("{method} {path}")).or_default();
        *count += 1;
        *count - 1
    }

    /// Notes what became of it.
    pub(crate) fn note(&mut self, logged: Logged) {
        if let Some(fault) = logged.fault {
            *self.faults.entry(fault).or_default() += 1;
        }
        if self.log.len() < MAX_LOG {
            self.log.push(logged);
        }
    }

    /// Requests of all methods and paths.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }
}
