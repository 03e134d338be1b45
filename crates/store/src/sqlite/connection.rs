//! Opening database files, and what the engine's errors mean.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{Error, Result};

/// Translates the engine's errors for one database file.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) path: PathBuf,
}

impl Engine {
    /// What an error of the engine means, met while trying to `action`.
    pub(super) fn error(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        move |source| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::Damaged { path: self.path.clone(), detail: source.to_string() }
            }
            Some(ErrorCode::DiskFull) => Error::DiskFull { path: self.path.clone() },
            Some(ErrorCode::ReadOnly) => Error::ReadOnly,
            _ => Error::Engine { action, source },
        }
    }

    /// A connection that writes. Commits are on the disk when they return (`synchronous=FULL`),
    /// because a sensor forgets a window once it is acknowledged.
    pub(super) fn open_writer(&self) -> Result<Connection> {
        self.create_private()?;
        let open = || {
            let connection = Connection::open_with_flags(
                &self.path,
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(BUSY)?;
            connection.set_prepared_statement_cache_capacity(64);
            let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version == 0 {
                // They take effect only while there is no table, and setting them writes.
                connection.execute_batch(
                    "PRAGMA page_size = 8192;
                     PRAGMA auto_vacuum = INCREMENTAL;
                     PRAGMA journal_mode = WAL;",
                )?;
            }
            connection.execute_batch(
                "PRAGMA synchronous = FULL;
                 PRAGMA journal_size_limit = 67108864;
                 PRAGMA cache_size = -16384;
                 PRAGMA temp_store = MEMORY;",
            )?;
            Ok(connection)
        };
        open().map_err(self.error("open the store"))
    }

    /// A connection that only reads.
    pub(super) fn open_reader(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.set_prepared_statement_cache_capacity(64);
            connection.execute_batch("PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;")?;
            // Opening does not touch the file; reading does.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        };
        open().map_err(self.error("open the store for reading"))
    }

    /// Makes the file, if there is none, readable by its owner only; the engine gives its other
    /// files the same mode.
    fn create_private(&self) -> Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&self.path);
        opened.map(drop).map_err(|source| io("create", &self.path, source))
    }
}

/// How long to wait for a lock that another connection holds, which is a matter of milliseconds in
/// write-ahead mode.
const BUSY: Duration = Duration::from_secs(10);

/// An error of the file system.
pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::DiskFull { path: path.to_owned() }
        }
        _ => Error::Io { action, path: path.to_owned(), source },
    }
}
