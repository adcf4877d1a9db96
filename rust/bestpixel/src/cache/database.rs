//! Keys and values in an `SQLite` file: bounded, checked, and made anew where it is damaged.
//!
//! Its journal is the classic one, not a write-ahead log: that needs memory shared between processes, which network file
//! systems do not have, and cannot be read in a folder that is write-protected. Every value carries a checksum over
//! itself, its key and its age, since `SQLite` does not notice a bit that flips inside a value. Sources: `SQLite`, "How
//! To Corrupt An `SQLite` Database File", "Write-Ahead Logging", and `SQLITE_DBCONFIG_RESET_DATABASE`.

use super::store::Entry;
use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Result, Transaction, TransactionBehavior, params};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Marks the file as ours: `bpxc`.
const APPLICATION: i32 = 0x6270_7863;

/// To be raised whenever what is kept, or how, changes its meaning: older files are then made anew.
const FORMAT: i32 = 1;

/// Another process holds the file for milliseconds. One that is stopped in the middle is not waited for again and again.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// After so many failures the file is left alone for the rest of the run.
const MAX_FAILURES: u32 = 3;

const TABLES: &str = "
    CREATE TABLE kept (
        key TEXT PRIMARY KEY, size INTEGER NOT NULL, used INTEGER NOT NULL, made INTEGER NOT NULL,
        checksum INTEGER NOT NULL, value BLOB NOT NULL
    );
    CREATE INDEX by_use ON kept (used, size);";

/// The file, as long as it can be used.
pub(super) struct Database {
    path: PathBuf,
    limit: u64,
    connection: Option<Connection>,
    /// Whether the disk takes what is written.
    is_writable: bool,
    failures: u32,
}

/// What is to be kept.
pub(super) struct Kept {
    pub(super) value: Bytes,
    /// When it was fetched.
    pub(super) made: SystemTime,
}

impl Database {
    /// Opens or makes the file, which grows to about `limit` bytes.
    pub(super) fn open(path: PathBuf, limit: u64) -> Self {
        let connection = match connect(&path, false) {
            Err(error) if is_damage(&error) => connect(&path, true),
            opened => opened,
        };
        Self { path, limit, connection: connection.ok(), is_writable: true, failures: 0 }
    }

    /// The value of a key.
    pub(super) fn get(&mut self, key: &str) -> Option<Entry> {
        self.attempt(|connection| {
            let mut select = connection.prepare_cached("SELECT key, made, checksum, value FROM kept WHERE key = ?1")?;
            let row = select.query_row([key], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, Vec<u8>>(3)?))
            });
            let Some((own_key, made, checksum, value)) = row.optional()? else { return Ok(None) };
            let is_whole = own_key == key && checksum == checksum_of(key, made, &value);
            Ok(is_whole.then(|| Entry { value: value.into(), made: time(made) }))
        })
        .flatten()
    }

    /// Keeps values, all or none; the least recently used make room for them.
    pub(super) fn put<'a>(&mut self, batch: impl Iterator<Item = (&'a String, &'a Kept)> + Clone) {
        if !self.is_writable {
            return;
        }
        let limit = self.limit;
        // An entry that would drive out most others is not worth it.
        let batch = batch.filter(|(_, kept)| kept.value.len() as u64 <= limit / 8);
        self.attempt(|connection| {
            let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            make_room(&write, batch.clone().map(|(key, kept)| space(key, &kept.value)).sum(), limit)?;
            let now = millis(SystemTime::now());
            for (key, Kept { value, made }) in batch.clone() {
                let (size, made) = (key.len() + value.len(), millis(*made));
                let checksum = checksum_of(key, made, value);
                write
                    .prepare_cached("INSERT OR REPLACE INTO kept VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                    .execute(params![key, size as i64, now, made, checksum, &value[..]])?;
            }
            write.commit()?;
            shrink(connection, limit)
        });
    }

    /// Notes that keys have been asked for.
    pub(super) fn touch(&mut self, keys: &HashSet<String>) {
        if keys.is_empty() || !self.is_writable {
            return;
        }
        self.attempt(|connection| {
            let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let now = millis(SystemTime::now());
            for key in keys {
                write.prepare_cached("UPDATE kept SET used = ?2 WHERE key = ?1")?.execute(params![key, now])?;
            }
            write.commit()
        });
    }

    /// Drops all keys that begin so. Where that cannot be done nothing is believed any more.
    pub(super) fn forget(&mut self, prefix: &str) {
        let done = self.attempt(|connection| {
            // No key holds a character beyond the last one of Unicode.
            let mut delete = connection.prepare_cached("DELETE FROM kept WHERE key >= ?1 AND key < ?1 || ?2")?;
            delete.execute(params![prefix, char::MAX.to_string()])
        });
        if done.is_none() {
            self.connection = None;
        }
    }

    /// Does one step. Where the disk takes nothing, what it holds can still be read. Where something else fails the file is
    /// opened anew, emptied if it is damaged; where that happens again and again, it is left alone.
    fn attempt<T>(&mut self, step: impl Fn(&mut Connection) -> Result<T>) -> Option<T> {
        let error = match step(self.connection.as_mut()?) {
            Ok(done) => return Some(done),
            Err(error) => error,
        };
        if matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::DiskFull))
        {
            self.is_writable = false;
            return None;
        }
        self.failures += 1;
        self.connection = None;
        if self.failures < MAX_FAILURES {
            self.connection = connect(&self.path, is_damage(&error)).ok();
        }
        None
    }
}

/// Opens the file and makes sure that it is ours; empties it where it is not, or where it `is_damaged`.
fn connect(path: &std::path::Path, is_damaged: bool) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    let mut state = if is_damaged { State::Foreign } else { State::of(&connection)? };
    if state == State::Foreign {
        // SQLite's own way to empty a file whatever is in it, under its locks: others may have it open.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
        // Takes effect with VACUUM; what is left of a schema may be in its way.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").ok();
        let emptied = connection.execute_batch("VACUUM");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
        emptied?;
        state = State::New;
    }
    // What a foreign schema brings along is not run, and pages are looked at before they are believed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = NORMAL")?;
    if state == State::New {
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
        let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        if is_new(&write)? {
            write.execute_batch(TABLES)?;
            write.pragma_update(None, "application_id", APPLICATION)?;
            write.pragma_update(None, "user_version", FORMAT)?;
        }
        write.commit()?;
    }
    Ok(connection)
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ours,
    New,
    /// A database of somebody else, or of another format.
    Foreign,
}

impl State {
    fn of(connection: &Connection) -> Result<Self> {
        // All marks as of one moment: another process may be making the tables.
        let read = connection.unchecked_transaction()?;
        let marks = (pragma(&read, "application_id")?, pragma(&read, "user_version")?);
        let state = match marks == (i64::from(APPLICATION), i64::from(FORMAT)) {
            true => Self::Ours,
            false if is_new(&read)? => Self::New,
            false => Self::Foreign,
        };
        read.commit()?;
        Ok(state)
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn is_new(connection: &Connection) -> Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT * FROM sqlite_schema)", [], |row| row.get(0))
}

/// What a file says that is no database, a damaged one, or one without our table.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => {
            matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        }
        // A column of the wrong type: rusqlite's own.
        None => true,
    }
}

/// Bytes in use: pages that have been freed are filled before the file grows.
fn bytes_in_use(connection: &Connection) -> Result<u64> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok((pages * pragma(connection, "page_size")?) as u64)
}

/// What an entry takes at most: its key stands in an index too, and a value that is not short has pages of its own.
fn space(key: &str, value: &[u8]) -> u64 {
    ((2 * key.len() + value.len()) as u64).next_multiple_of(4096)
}

/// Drops the least recently used entries until so many bytes more fit, and a tenth besides: else it would be done each
/// time.
fn make_room(write: &Transaction<'_>, incoming: u64, limit: u64) -> Result<()> {
    let wanted = bytes_in_use(write)? + incoming;
    if wanted <= limit {
        return Ok(());
    }
    let excess = wanted - limit / 10 * 9;
    let (mut freed, mut last) = (0, Vec::new());
    let mut select = write.prepare_cached("SELECT rowid, size FROM kept ORDER BY used")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()?
        && freed < excess
    {
        last.push(row.get::<_, i64>(0)?);
        freed += row.get::<_, i64>(1)? as u64;
    }
    for row in last {
        write.prepare_cached("DELETE FROM kept WHERE rowid = ?1")?.execute([row])?;
    }
    Ok(())
}

/// Gives space back to the system where the file is longer than it may be.
fn shrink(connection: &Connection, limit: u64) -> Result<()> {
    if (pragma(connection, "page_count")? * pragma(connection, "page_size")?) as u64 > limit {
        let mut vacuum = connection.prepare("PRAGMA incremental_vacuum")?;
        let mut steps = vacuum.query([])?;
        while steps.next()?.is_some() {}
    }
    Ok(())
}

fn checksum_of(key: &str, made: i64, value: &[u8]) -> i64 {
    let mut crc = libdeflater::Crc::new();
    crc.update(key.as_bytes());
    crc.update(&made.to_le_bytes());
    crc.update(value);
    i64::from(crc.sum())
}

fn millis(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_millis() as i64)
}

fn time(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_read_until_something_must_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(folder.path().join("x.sqlite3"), 1 << 20);
        let put = |database: &mut Database, key: &str| {
            let kept = Kept { value: Bytes::from_static(b"value"), made: SystemTime::now() };
            database.put(std::iter::once((&key.to_owned(), &kept)));
        };
        put(&mut database, "a");
        // As in a folder that is write-protected, which would not stop root.
        database.connection.as_ref().unwrap().pragma_update(None, "query_only", true).unwrap();
        for _ in 0..2 * MAX_FAILURES {
            put(&mut database, "b");
        }
        assert_eq!(database.get("a").unwrap().value, "value");
        assert!(database.get("b").is_none());
        database.forget("b");
        assert!(database.get("a").is_none());
    }

    #[test]
    fn failures_end_the_use_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::open(folder.path().join("x.sqlite3"), 1 << 20);
        for _ in 0..MAX_FAILURES {
            assert!(database.connection.is_some());
            database.attempt(|connection| connection.execute("SELECT no such thing", []));
        }
        assert!(database.connection.is_none() && database.get("a").is_none());
    }
}
