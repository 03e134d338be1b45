use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The agent, the observed processes and the store: the answer of `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The agent; null where none runs.
    pub agent: Option<AgentRow>,
    /// Processes, connected ones first.
    pub processes: Vec<ProcessRow>,
    /// What is kept; null where there is no store yet.
    pub store: Option<StoreRow>,
}

/// The agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentRow {
    /// Version of its code.
    pub version: String,
    /// Seconds since it began.
    pub uptime_s: u64,
    /// Where it keeps what it stores.
    pub data_dir: String,
    /// Its process id.
    pub pid: Option<u32>,
    /// The socket that sensors connect to.
    pub socket: Option<String>,
    /// Where its HTTP API listens.
    pub http: Option<String>,
}

/// One observed process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRow {
    /// Process id.
    pub pid: u32,
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`.
    pub instance: String,
    /// Name and version of the runtime.
    pub runtime: String,
    /// The file that is run.
    pub program: String,
    /// `starting`, `observing`, `reduced`, `stood-down`, or `gone` once it is not connected.
    pub state: String,
    /// Why it is reduced or stood down, in the sensor's words; empty otherwise.
    pub reason: String,
    /// `functions`, `decisions` or `full`.
    pub detail: String,
    /// CPU time of the sensor as a share of the process's own over the last window, in percent.
    pub overhead_pct: f64,
    /// The same since the process began.
    pub overhead_total_pct: f64,
    /// The ceiling of `overhead_pct`; null for none.
    pub budget_pct: Option<f64>,
    /// Bytes that the sensor holds.
    pub memory_bytes: u64,
    /// Bytes sent per second over the last window.
    pub bytes_per_s: u64,
    /// Functions registered.
    pub functions: u32,
    /// Detail given up since the process began, by what was given up.
    pub shed: BTreeMap<String, u64>,
    /// What is not observed, and why.
    pub blind_spots: Vec<String>,
    /// When it was last heard of.
    pub last_seen: String,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreRow {
    /// Bytes in use.
    pub bytes: u64,
    /// The most it may use; null for no limit.
    pub ceiling_bytes: Option<u64>,
    /// When the oldest block begins.
    pub oldest: Option<String>,
    /// Windows deleted because of their age.
    pub windows_expired: u64,
    /// Windows deleted because of the disk ceiling.
    pub windows_evicted: u64,
}
