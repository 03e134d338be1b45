//! The answers: what commands print with `--format json` and `/api/v1` serves.
//!
//! Field names are stable; more may be added. Lines and columns are 1-based, columns count Unicode
//! characters, times are RFC 3339 in UTC, durations whole nanoseconds, shares between 0 and 1.

mod diff;
mod entry;
mod finding;
mod function;
mod service;
mod show;
mod status;

pub use diff::{Diff, DiffFunction};
pub use entry::{EntryExitRow, EntryRow};
pub use finding::{
    Cause, CauseDecision, CauseInput, Evidence, FindingAnswer, FindingEntry, Population,
};
pub use function::FunctionRow;
pub use service::{InstanceRow, ServiceRow, VersionRow};
pub use show::{
    CallerRow, DecisionRow, ErrorRow, ExitRow, InputRow, OtherBody, OutcomeRow, PathOutcome,
    PathRow, Show, ShowVersion,
};
pub use status::{AgentRow, ProcessRow, Status, StoreRow};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The time that an answer covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// When the first window began, RFC 3339 in UTC.
    pub from: String,
    /// When the last window ended.
    pub to: String,
}

impl Window {
    /// The time between two points, in milliseconds since 1970.
    pub fn new(from_ms: u64, to_ms: u64) -> Self {
        Self { from: crate::time::rfc3339(from_ms), to: crate::time::rfc3339(to_ms) }
    }
}
