//! Blocks in an SQLite database.
//!
//! One process writes and any number read, in write-ahead mode. Appends are group commits; folding
//! happens outside the writer's transaction, so that it does not delay them.

mod connection;
mod lock;
mod read;
mod schema;
mod upkeep;
mod write;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use forksight_model::function::{Function, FunctionId};
use forksight_wire::window::Window;
use rusqlite::Connection;

use self::connection::{Engine, io};
use self::lock::DirLock;
use self::upkeep::Upkeep;
use self::write::Writer;
use crate::{
    Appended, Batch, BlockInfo, Error, Finding, FindingState, Group, Grouping, Maintenance,
    Process, Result, Selection, Service, Stats, Store,
};

pub use schema::SCHEMA;

/// Name of the database file in a data directory.
pub const FILE: &str = "forksight.db";

/// Databases up to this size are checked whole whenever they are opened for writing; damage to
/// larger ones is noticed where it is met.
const CHECKED_BYTES: u64 = 256 << 20;

/// How long to keep what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The age at which blocks of each level but the last are folded into the next, in
    /// milliseconds, finest first. When the store fills up they are folded earlier.
    pub keep_ms: [u64; 4],
    /// The age at which anything is deleted, in milliseconds.
    pub retention_ms: u64,
    /// The most bytes the database may use: at it the oldest blocks are deleted; a quarter above
    /// it appends fail with [`Error::DiskFull`].
    pub ceiling_bytes: u64,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60_000;
        const DAY: u64 = 24 * 60 * MINUTE;
        Self {
            keep_ms: [15 * MINUTE, 2 * 60 * MINUTE, 3 * DAY, 30 * DAY],
            retention_ms: 400 * DAY,
            ceiling_bytes: 2 << 30,
        }
    }
}

/// A damaged store that was moved aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Where the damaged database is now.
    pub moved_to: PathBuf,
    /// What was found.
    pub detail: String,
}

/// A store in an SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    engine: Engine,
    /// Idle connections for reading. Before the writer, because the connection that is closed last
    /// folds the log into the database, and only one that writes can.
    readers: Mutex<Vec<Connection>>,
    writer: Option<Mutex<Writer>>,
    upkeep: Mutex<Upkeep>,
    policy: Policy,
    // Last, so that the directory is given up after the connections are closed.
    _lock: Option<DirLock>,
}

impl Sqlite {
    /// Opens the store in `dir` for writing, with the default [`Policy`]; makes it if there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] where another process writes to it, [`Error::NewerSchema`] where a newer
    /// program has written it, [`Error::Damaged`] where it is not sound.
    pub fn open_writer(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_writer_with(dir, Policy::default())
    }

    /// As [`open_writer`](Self::open_writer), with this policy.
    ///
    /// # Errors
    ///
    /// As [`open_writer`](Self::open_writer).
    pub fn open_writer_with(dir: impl AsRef<Path>, policy: Policy) -> Result<Self> {
        let dir = dir.as_ref();
        create_private_dir(dir)?;
        let lock = DirLock::take(dir)?;
        Self::open_locked(dir, policy, lock).map_err(|(error, _)| error)
    }

    /// As [`open_writer_with`](Self::open_writer_with), but a damaged database is moved aside, to
    /// `forksight.db.damaged-<time>`, and a fresh one is made. Say so to the user.
    ///
    /// # Errors
    ///
    /// As [`open_writer`](Self::open_writer) but for [`Error::Damaged`].
    pub fn open_or_recover(
        dir: impl AsRef<Path>,
        policy: Policy,
    ) -> Result<(Self, Option<Recovered>)> {
        let dir = dir.as_ref();
        create_private_dir(dir)?;
        let lock = DirLock::take(dir)?;
        match Self::open_locked(dir, policy.clone(), lock) {
            Ok(store) => Ok((store, None)),
            Err((Error::Damaged { path, detail }, lock)) => {
                let moved_to = move_aside(&path)?;
                let store = Self::open_locked(dir, policy, lock).map_err(|(error, _)| error)?;
                Ok((store, Some(Recovered { moved_to, detail })))
            }
            Err((error, _)) => Err(error),
        }
    }

    /// Gives the lock back where it fails, so that the directory stays held.
    fn open_locked(
        dir: &Path,
        policy: Policy,
        lock: DirLock,
    ) -> std::result::Result<Self, (Error, DirLock)> {
        let engine = Engine { path: dir.join(FILE) };
        match open_sound(&engine, &policy) {
            Ok(connection) => Ok(Self {
                writer: Some(Mutex::new(Writer::new(connection, engine.clone()))),
                engine,
                readers: Mutex::default(),
                upkeep: Mutex::default(),
                policy,
                _lock: Some(lock),
            }),
            Err(error) => Err((error, lock)),
        }
    }

    /// Opens the store in `dir` for reading, whether or not a process writes to it.
    ///
    /// # Errors
    ///
    /// [`Error::NoData`] where there is no store, [`Error::NewerSchema`] and
    /// [`Error::OlderSchema`] where another version of the program has written it.
    pub fn open_reader(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let engine = Engine { path: dir.join(FILE) };
        let no_data = || Error::NoData { dir: dir.to_owned() };
        match std::fs::metadata(&engine.path) {
            Ok(_) => {}
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Err(no_data()),
            Err(source) => return Err(io("read", &engine.path, source)),
        }
        let connection = engine.open_reader()?;
        match schema::version(&connection, &engine)? {
            // The writer is just making it.
            0 => return Err(no_data()),
            SCHEMA => {}
            found if found > SCHEMA => return Err(Error::NewerSchema { found, known: SCHEMA }),
            found => return Err(Error::OlderSchema { found, known: SCHEMA }),
        }
        Ok(Self {
            engine,
            writer: None,
            readers: Mutex::new(vec![connection]),
            upkeep: Mutex::default(),
            policy: Policy::default(),
            _lock: None,
        })
    }

    /// Runs `work` with the writing connection.
    fn write<T>(&self, work: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        let writer = self.writer.as_ref().ok_or(Error::ReadOnly)?;
        // A panic in the middle of a write has rolled its transaction back.
        let mut writer = writer.lock().unwrap_or_else(|poisoned| {
            let mut writer = poisoned.into_inner();
            writer.forget();
            writer
        });
        work(&mut writer)
    }

    /// Runs `work` with a connection for reading, in one transaction.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.engine.open_reader()?,
        };
        let transaction =
            connection.transaction().map_err(self.engine.error("begin reading the store"))?;
        let result = work(&transaction);
        drop(transaction);
        if result.is_ok() {
            self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        result
    }
}

/// A connection to a database that is sound, of this schema, and limited in size.
fn open_sound(engine: &Engine, policy: &Policy) -> Result<Connection> {
    let mut connection = engine.open_writer()?;
    let size = std::fs::metadata(&engine.path).map(|file| file.len()).unwrap_or(0);
    if size <= CHECKED_BYTES {
        let found: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(engine.error("check the store"))?;
        if found != "ok" {
            return Err(Error::Damaged { path: engine.path.clone(), detail: found });
        }
    }
    schema::migrate(&mut connection, engine)?;
    let limit = || {
        let page = connection.query_row("PRAGMA page_size", [], |row| read::unsigned(row, 0))?;
        let pages = (policy.ceiling_bytes + policy.ceiling_bytes / 4) / page.max(1);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    };
    limit().map_err(engine.error("limit the size of the store"))?;
    Ok(connection)
}

/// Makes `dir`, if there is none, for its owner only.
fn create_private_dir(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| io("create", dir, source))
}

/// Renames the database and the files that belong to it.
fn move_aside(path: &Path) -> Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let moved_to = with(&format!(".damaged-{now}"));
    for part in ["-wal", "-shm", ""] {
        let from = with(part);
        let mut to = moved_to.clone().into_os_string();
        to.push(part);
        match std::fs::rename(&from, to) {
            Ok(()) => {}
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(io("move aside", &from, source)),
        }
    }
    Ok(moved_to)
}

impl Store for Sqlite {
    fn define(&self, service: &str, functions: &[Function]) -> Result<Vec<FunctionId>> {
        self.write(|writer| writer.define(service, functions))
    }

    fn function(&self, id: FunctionId) -> Result<Option<Arc<Function>>> {
        self.read(|connection| read::function(connection, &self.engine, id))
    }

    fn functions(
        &self,
        service: &str,
        version: Option<&str>,
    ) -> Result<Vec<(FunctionId, Arc<Function>)>> {
        self.read(|connection| read::functions(connection, &self.engine, service, version))
    }

    fn append(&self, batches: Vec<Batch>) -> Result<Appended> {
        self.write(|writer| writer.append(batches))
    }

    fn durable_seq(&self, instance: &str, epoch: u64) -> Result<u64> {
        self.read(|connection| read::durable_seq(connection, &self.engine, instance, epoch))
    }

    fn services(&self) -> Result<Vec<Service>> {
        self.read(|connection| read::services(connection, &self.engine))
    }

    fn put_processes(&self, processes: &[Process]) -> Result<()> {
        self.write(|writer| writer.put_processes(processes))
    }

    fn processes(&self) -> Result<Vec<Process>> {
        self.read(|connection| read::processes(connection, &self.engine))
    }

    fn fold(
        &self,
        selection: &Selection,
        visit: &mut dyn FnMut(&BlockInfo, Window) -> ControlFlow<()>,
    ) -> Result<()> {
        self.read(|connection| read::fold(connection, &self.engine, selection, visit))
    }

    fn aggregate(&self, selection: &Selection, grouping: Grouping) -> Result<Vec<Group>> {
        self.read(|connection| read::aggregate(connection, &self.engine, selection, grouping))
    }

    fn put_finding(&self, finding: &Finding) -> Result<()> {
        self.write(|writer| writer.put_finding(finding))
    }

    fn set_finding_state(&self, id: &str, state: FindingState) -> Result<bool> {
        self.write(|writer| writer.set_finding_state(id, state))
    }

    fn finding(&self, id: &str) -> Result<Option<Finding>> {
        self.read(|connection| read::finding(connection, &self.engine, id))
    }

    fn findings(&self, service: Option<&str>) -> Result<Vec<Finding>> {
        self.read(|connection| read::findings(connection, &self.engine, service))
    }

    fn setting(&self, key: &str) -> Result<Option<String>> {
        self.read(|connection| read::setting(connection, &self.engine, key))
    }

    fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        self.write(|writer| writer.set_setting(key, value))
    }

    fn maintain(&self, now_ms: u64) -> Result<Maintenance> {
        upkeep::maintain(self, now_ms)
    }

    fn stats(&self) -> Result<Stats> {
        let mut stats = self.read(|connection| read::stats(connection, &self.engine))?;
        if self.writer.is_some() {
            stats.ceiling_bytes = self.policy.ceiling_bytes;
        }
        Ok(stats)
    }
}
