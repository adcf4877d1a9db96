//! A folder goes in, a listening server comes out.

use super::body::Line;
use super::service::answer;
use super::{Behaviour, Stats};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    behaviour: Mutex<Arc<Behaviour>>,
    stats: Mutex<Stats>,
    line: Line,
    odd: AtomicU64,
}

impl State {
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(behaviour);
    }

    /// An `ETag` that no other answer has.
    pub(crate) fn odd_etag(&self) -> String {
        format!("\"odd-{}\"", self.odd.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until the line has room for these bytes.
    pub(crate) async fn pace(&self, bytes: usize) {
        if let Some(bytes_per_s) = self.behaviour().bytes_per_s {
            tokio::time::sleep_until(self.line.reserve(bytes, bytes_per_s)).await;
        }
    }
}

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Origin {
    /// Serves a folder on 127.0.0.1; port 0 takes one that is free.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub async fn start(folder: &Path, port: u16, behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            folder: folder.to_owned(),
            behaviour: Mutex::new(Arc::new(behaviour)),
            stats: Mutex::default(),
            line: Line::default(),
            odd: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL of a file, by its path below the folder.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        self.state.stats().clone()
    }

    /// Forgets what has happened so far; requests of a path are counted from 0 again.
    pub fn reset(&self) {
        *self.state.stats() = Stats::default();
    }

    /// Behaves otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state.behave(behaviour);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        // Running out of descriptors passes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        state.stats().connections += 1;
        connections.spawn(connect(stream, state.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(stream: TcpStream, state: Arc<State>) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    // The twin, through which a fault can reach the connection that hyper holds.
    let twin = Arc::new(stream.try_clone()?);
    let service = service_fn(move |request| answer(state.clone(), twin.clone(), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(TcpStream::from_std(stream)?), service);
    // Broken on purpose, mostly; clients see it.
    connection.await.map_err(std::io::Error::other)
}
