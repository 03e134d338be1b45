//! What an agent is told.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use forksight_store::Policy;

/// The port of the HTTP API where none is asked for.
pub const DEFAULT_PORT: u16 = 7717;

/// How many ports after [`DEFAULT_PORT`] are tried when it is taken.
pub const PORTS_TRIED: u16 = 10;

/// What an agent is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory; made if there is none.
    pub data_dir: PathBuf,
    /// Where to answer HTTP. `None` for [`DEFAULT_PORT`] on loopback, or the next of the
    /// [`PORTS_TRIED`] ports after it that is free.
    pub listen: Option<SocketAddr>,
    /// Stop after this long without a connected sensor or a request; `None` for never.
    pub idle_exit: Option<Duration>,
    /// How long to keep what.
    pub policy: Policy,
    /// How many windows a sensor may send ahead of acknowledgements.
    pub credits: u32,
    /// How many sensors may be connected at once.
    pub max_connections: usize,
}

/// How long an agent that `forksight run` started waits without work before it stops.
pub const AUTO_IDLE: Duration = Duration::from_secs(15 * 60);

impl Config {
    /// The defaults, for this data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: None,
            idle_exit: None,
            policy: Policy::default(),
            credits: 8,
            max_connections: 1024,
        }
    }

    /// The addresses to try for HTTP, in order.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        match self.listen {
            Some(address) => vec![address],
            None => (DEFAULT_PORT..=DEFAULT_PORT + PORTS_TRIED)
                .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
                .collect(),
        }
    }
}
