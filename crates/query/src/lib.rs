//! Questions over a store, answered as the JSON types of `/api/v1`.
//!
//! - [`answer`]: the types of the answers; field names are a contract.
//! - [`services`], [`functions`], [`show`], [`entries`], [`status`]: the questions about one
//!   population of windows.
//! - [`compare`], [`findings`]: the questions about two, and what detection has found.
//! - [`scope`]: which windows a question is about; [`time`]: points in time as people write them.
//!
//! The crate prints nothing, reads no clock and knows no command line: the commands and the HTTP
//! API say the same because both say what is here (I-ONE-MODEL).

#![forbid(unsafe_code)]

pub mod answer;
pub mod compare;
mod entries;
mod error;
pub mod findings;
mod functions;
pub mod scope;
mod services;
pub mod share;
mod show;
mod status;
pub mod time;

pub use entries::entries;
pub use error::{Error, Result};
pub use functions::functions;
pub use scope::{Scope, newest_version};
pub use services::services;
pub use show::{Target, show};
pub use status::status;
