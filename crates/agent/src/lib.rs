//! The agent: takes windows in from sensors, makes them durable, looks for findings, and answers
//! readers over HTTP.
//!
//! - [`run`] is the agent, in the foreground.
//! - [`endpoint`] says where a running agent is, [`ensure_running`] starts one where there is
//!   none.
//!
//! One agent owns a data directory. A service runs without an agent as well; its sensor then keeps
//! a few windows and tries again. All that arrives is hostile until checked: it is sized, counted
//! and bounded, and never executed, fetched or rendered as code.

mod config;
mod endpoint;
mod error;
mod http;
mod ingest;
mod place;
mod processes;
mod report;
mod run;
mod state;
mod tasks;

pub use config::{AUTO_IDLE, Config, DEFAULT_PORT, PORTS_TRIED};
pub use endpoint::{Endpoint, endpoint, ensure_running, log_path};
pub use error::{Error, Result};
pub use run::run;

/// What an agent tells its starter once it is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The damaged store that was moved aside, if there was one. Say so to the user.
    pub recovered: Option<forksight_store::Recovered>,
}
