//! Why a store cannot do what it was asked.

use std::fmt;
use std::path::PathBuf;

use forksight_columns::definition::Refused;

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing has been recorded in this directory yet.
    #[error("no data in {}; start a program with `forksight run` first", dir.display())]
    NoData {
        /// The data directory.
        dir: PathBuf,
    },
    /// Another process writes to this directory.
    #[error("{} is in use by {holder}; stop it or choose another data directory", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// A newer version of the program has written the store.
    #[error("store has schema {found}, this program knows {known}; upgrade forksight")]
    NewerSchema {
        /// Schema version of the store.
        found: u32,
        /// Newest schema version known here.
        known: u32,
    },
    /// An older version of the program has written the store, and only a writer can bring it up
    /// to date.
    #[error("store has schema {found}, this program reads {known}; start `forksight agent` once")]
    OlderSchema {
        /// Schema version of the store.
        found: u32,
        /// Schema version that is read here.
        known: u32,
    },
    /// The database is damaged: open it with recovery, which moves it aside.
    #[error("{} is damaged ({detail}); restart the agent to move it aside", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// There is no room for what was to be written; nothing of it has been.
    #[error("no space left for {}; free some or lower the retention", path.display())]
    DiskFull {
        /// The database file.
        path: PathBuf,
    },
    /// The store was opened for reading only.
    #[error("store is open for reading only; only the agent writes")]
    ReadOnly,
    /// A function cannot be kept.
    #[error("function {index}: {reason}")]
    Refused {
        /// Its position in what was passed.
        index: usize,
        /// Why.
        reason: Refused,
    },
    /// A window's columns do not fit together.
    #[error("window {seq} of instance {instance}: columns of `{family}` do not fit together")]
    Malformed {
        /// The instance it came from.
        instance: String,
        /// Its number.
        seq: u64,
        /// The family that is wrong.
        family: &'static str,
    },
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database engine failed in a way that has no variant of its own.
    #[error("cannot {action}: {source}")]
    Engine {
        /// What was attempted.
        action: &'static str,
        /// What the engine said.
        source: rusqlite::Error,
    },
}

/// The process that holds a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; 0 where it could not be read.
    pub pid: u32,
    /// When it took hold, in milliseconds since 1970; 0 where it could not be read.
    pub since_ms: u64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => f.write_str("another process"),
            pid => write!(f, "process {pid}"),
        }
    }
}
