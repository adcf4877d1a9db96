//! Questions from async tasks go in, answers of the database come out: a thread of its own holds it, since files block.

use super::database::{Database, Kept};
use super::{Error, Result};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The database's name in the folder.
const FILE: &str = "bestpixel-cache.sqlite3";

/// How large it may grow, unless the user says otherwise.
const DEFAULT_LIMIT: u64 = 1 << 30;

/// How large it may grow, in bytes.
const LIMIT_VARIABLE: &str = "BESTPIXEL_CACHE_BYTES";

/// A smaller bound would keep next to nothing, and be broken by the database's own pages.
const LEAST_LIMIT: u64 = 256 << 10;

/// Values are written together: each write waits for the disk. So many bytes are enough (or a quarter of the bound) ...
const BATCH_BYTES: u64 = 4 << 20;

/// ... and so long without a question.
const IDLE: Duration = Duration::from_millis(200);

/// Bytes that may wait to be written, in KiB: who fetches faster than the disk writes has to wait.
const WAITING_KIB: usize = 32 << 10;

/// A value and when it was fetched.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The bytes as they were kept.
    pub value: Bytes,
    /// When they were fetched.
    pub made: SystemTime,
}

impl Entry {
    /// Whether it is younger than `lifetime`; what claims to come from the future is not.
    pub fn is_younger_than(&self, lifetime: Duration) -> bool {
        self.made.elapsed().is_ok_and(|age| age < lifetime)
    }
}

/// One folder of kept bytes. Dropping the last handle waits until everything is written.
#[derive(Debug)]
pub struct Cache {
    sender: Mutex<Option<Sender<Message>>>,
    thread: Option<JoinHandle<()>>,
    room: Arc<Semaphore>,
}

enum Message {
    Get(Vec<String>, oneshot::Sender<Vec<Option<Entry>>>),
    Put(String, Kept, Option<OwnedSemaphorePermit>),
    Forget(String),
}

impl Cache {
    /// Opens the cache in a folder, which is made where it is not there. It grows to 1 GiB, or as many bytes as
    /// `BESTPIXEL_CACHE_BYTES` says.
    ///
    /// # Errors
    /// [`Error::Folder`] and [`Error::Variable`].
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        let value = std::env::var_os(LIMIT_VARIABLE).map(|value| value.to_string_lossy().into_owned());
        Self::with_limit(folder, limit(value.as_deref())?)
    }

    /// The same with a bound of its own.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn with_limit(folder: &Path, limit: u64) -> Result<Arc<Self>> {
        let refuse = |source| Error::Folder { folder: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(refuse)?;
        let (path, limit) = (folder.join(FILE), limit.max(LEAST_LIMIT));
        let (sender, receiver) = channel();
        let batch_bytes = BATCH_BYTES.min(limit / 4) as usize;
        let serve = move || Server::new(Database::open(path, limit), batch_bytes).serve(&receiver);
        // Without a thread nothing is kept, and everything works as it would without a cache.
        let thread = std::thread::Builder::new().name("bestpixel-cache".to_owned()).spawn(serve).ok();
        let room = Arc::new(Semaphore::new(WAITING_KIB));
        Ok(Arc::new(Self { sender: Mutex::new(Some(sender)), thread, room }))
    }

    /// What is kept under each key.
    pub async fn get(&self, keys: Vec<String>) -> Vec<Option<Entry>> {
        let nothing = vec![None; keys.len()];
        let (answer, answered) = oneshot::channel();
        self.send(Message::Get(keys, answer));
        answered.await.unwrap_or(nothing)
    }

    /// Keeps a value, soon.
    pub async fn put(&self, key: String, value: Bytes) {
        self.put_as_of(key, value, SystemTime::now()).await;
    }

    /// The same for a value that was fetched before.
    pub(super) async fn put_as_of(&self, key: String, value: Bytes, made: SystemTime) {
        let kept = Kept { value, made };
        let permits = kept.value.len().div_ceil(1024).clamp(1, WAITING_KIB) as u32;
        // The semaphore is never closed, so a refusal cannot occur.
        let permit = self.room.clone().acquire_many_owned(permits).await.ok();
        self.send(Message::Put(key, kept, permit));
    }

    /// Drops what is kept under all keys that begin so.
    pub fn forget(&self, prefix: String) {
        self.send(Message::Forget(prefix));
    }

    /// A thread that is gone answers nothing, which is a miss.
    fn send(&self, message: Message) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            sender.send(message).ok();
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // Its end is the sign to write what waits.
        drop(self.sender.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// What the environment says of the bound.
fn limit(text: Option<&str>) -> Result<u64> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(DEFAULT_LIMIT) };
    text.parse().map_err(|_| Error::Variable { variable: LIMIT_VARIABLE, value: text.to_owned() })
}

/// The thread's side.
struct Server {
    database: Database,
    batch_bytes: usize,
    /// What is not written yet.
    waiting: HashMap<String, Kept>,
    permits: Vec<OwnedSemaphorePermit>,
    bytes: usize,
    /// What has been asked for and found.
    used: HashSet<String>,
}

impl Server {
    fn new(database: Database, batch_bytes: usize) -> Self {
        Self { database, batch_bytes, waiting: HashMap::new(), permits: Vec::new(), bytes: 0, used: HashSet::new() }
    }

    fn serve(mut self, receiver: &Receiver<Message>) {
        loop {
            match receiver.recv_timeout(IDLE) {
                Ok(Message::Get(keys, answer)) => {
                    let found = keys.into_iter().map(|key| self.get(key)).collect();
                    answer.send(found).ok();
                }
                Ok(Message::Put(key, kept, permit)) => self.put(key, kept, permit),
                Ok(Message::Forget(prefix)) => {
                    self.waiting.retain(|key, _| !key.starts_with(&prefix));
                    self.database.forget(&prefix);
                }
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.write();
        self.database.touch(&self.used);
    }

    fn get(&mut self, key: String) -> Option<Entry> {
        if let Some(Kept { value, made }) = self.waiting.get(&key) {
            return Some(Entry { value: value.clone(), made: *made });
        }
        let found = self.database.get(&key)?;
        self.used.insert(key);
        Some(found)
    }

    fn put(&mut self, key: String, kept: Kept, permit: Option<OwnedSemaphorePermit>) {
        self.bytes += kept.value.len();
        self.waiting.insert(key, kept);
        self.permits.extend(permit);
        if self.bytes >= self.batch_bytes {
            self.write();
        }
    }

    fn write(&mut self) {
        if !self.waiting.is_empty() {
            self.database.put(self.waiting.iter());
        }
        self.waiting.clear();
        self.permits.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
