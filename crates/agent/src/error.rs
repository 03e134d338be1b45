//! Why an agent cannot run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Result of an agent's operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be used; another agent may hold the data directory.
    #[error(transparent)]
    Store(#[from] forksight_store::Error),
    /// The address asked for is not loopback.
    #[error(
        "refusing to listen on {address}: addresses other than loopback need tokens and TLS, \
         which are not built yet; use 127.0.0.1"
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address asked for is in use.
    #[error("{address} is in use by another program; choose another with --listen")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The default port and all that are tried after it are in use.
    #[error("ports {first} to {last} are all in use; choose one with --listen 127.0.0.1:PORT")]
    NoFreePort {
        /// The first port tried.
        first: u16,
        /// The last port tried.
        last: u16,
    },
    /// The directory for the socket belongs to someone else or is open to others.
    #[error("{} is not private to this user ({detail}); remove it or set XDG_RUNTIME_DIR", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A file, directory, socket or process could not be used.
    #[error("cannot {action} {subject}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        subject: String,
        /// What the system said.
        source: io::Error,
    },
    /// It has begun anew after faults of its own too often.
    #[error("the agent fails again and again; its log says why")]
    Failing,
    /// An agent was started but did not answer in time.
    #[error("the agent did not start: {detail}; see {}", log.display())]
    NotStarted {
        /// What is known about it.
        detail: String,
        /// Where it writes its log.
        log: PathBuf,
    },
}

impl Error {
    /// The exit status that says so: 2 where something else must be asked for, 3 where there is
    /// no agent for another reason.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Store(
                forksight_store::Error::Locked { .. } | forksight_store::Error::NewerSchema { .. },
            )
            | Self::NotLoopback { .. }
            | Self::AddressInUse { .. }
            | Self::NoFreePort { .. } => 2,
            _ => 3,
        }
    }

    pub(crate) fn io(
        action: &'static str,
        subject: impl ToString,
    ) -> impl FnOnce(io::Error) -> Self {
        let subject = subject.to_string();
        move |source| Self::Io { action, subject, source }
    }
}
