use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of one version, in `entries`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntryRow {
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `http`, `script`, `thread`, `task`, …
    pub kind: String,
    /// `POST /checkout`, a script, a thread's target.
    pub entry: String,
    /// How many ended; exact.
    pub count: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Median duration.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the duration.
    pub p99_ns: Option<u64>,
    /// How they ended, most frequent first.
    pub exits: Vec<EntryExitRow>,
}

/// One way entries ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EntryExitRow {
    /// Type of the error that left the application's code.
    pub error_type: Option<String>,
    /// First digit of the HTTP status.
    pub status_class: Option<u8>,
    /// Whether that counts as failed.
    pub failed: bool,
    /// How many.
    pub count: u64,
}
