//! The messages other than windows.
//!
//! Tags are part of the protocol: never reuse one.

use std::collections::HashMap;

use prost::Message;

/// First message of a connection, from the sensor.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    /// Oldest protocol version the sensor speaks.
    #[prost(uint32, tag = "1")]
    pub min_version: u32,
    /// Newest protocol version the sensor speaks.
    #[prost(uint32, tag = "2")]
    pub max_version: u32,
    /// Sensor name: `python`.
    #[prost(string, tag = "3")]
    pub sensor: String,
    /// Version of the sensor's own code.
    #[prost(string, tag = "4")]
    pub sensor_version: String,
    /// Name and version of the runtime: `CPython 3.12.1`.
    #[prost(string, tag = "5")]
    pub runtime: String,
    /// Process id.
    #[prost(uint32, tag = "6")]
    pub pid: u32,
    /// When the process began, in milliseconds since 1970.
    #[prost(uint64, tag = "7")]
    pub started_ms: u64,
    /// `service.name`.
    #[prost(string, tag = "8")]
    pub service: String,
    /// `service.version`; empty where the sensor does not know it yet.
    #[prost(string, tag = "9")]
    pub version: String,
    /// `service.instance.id`: random, unique for each process and made anew after a fork.
    #[prost(string, tag = "10")]
    pub instance: String,
    /// Counts the sensor's own restarts within one instance; part of a window's identity.
    #[prost(uint64, tag = "11")]
    pub epoch: u64,
    /// The file that is run, for people: base name only, never an argument.
    #[prost(string, tag = "12")]
    pub program: String,
    /// Host name, only compared for equality and shown.
    #[prost(string, tag = "13")]
    pub host: String,
    /// Token for connections that are not a Unix socket.
    #[prost(string, tag = "14")]
    pub token: String,
}

/// The agent takes the sensor in.
#[derive(Clone, PartialEq, Message)]
pub struct Welcome {
    /// Protocol version to use.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Version of the agent's own code.
    #[prost(string, tag = "2")]
    pub agent_version: String,
    /// How many windows may be sent before an acknowledgement gives more.
    #[prost(uint32, tag = "3")]
    pub credits: u32,
    /// The highest `seq` of this instance and epoch that is already durable; 0 for none.
    #[prost(uint64, tag = "4")]
    pub durable_seq: u64,
    /// Settings to use from now on.
    #[prost(message, optional, tag = "5")]
    pub config: Option<Config>,
}

/// The agent does not take the sensor in.
#[derive(Clone, PartialEq, Message)]
pub struct Reject {
    /// Why, for people.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Try again after this many milliseconds; 0 for never.
    #[prost(uint64, tag = "2")]
    pub retry_after_ms: u64,
}

/// Functions that later windows mention.
#[derive(Clone, PartialEq, Message)]
pub struct Define {
    /// The functions.
    #[prost(message, repeated, tag = "1")]
    pub functions: Vec<FunctionDef>,
}

/// One function.
#[derive(Clone, PartialEq, Message)]
pub struct FunctionDef {
    /// Its number on this connection; 0 is no function.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Source language.
    #[prost(string, tag = "2")]
    pub language: String,
    /// Source file relative to `root`.
    #[prost(string, tag = "3")]
    pub file: String,
    /// Import root.
    #[prost(string, tag = "4")]
    pub root: String,
    /// Qualified name, module included.
    #[prost(string, tag = "5")]
    pub name: String,
    /// First line.
    #[prost(uint32, tag = "6")]
    pub line: u32,
    /// Last line.
    #[prost(uint32, tag = "7")]
    pub end_line: u32,
    /// Hash of the code.
    #[prost(fixed64, tag = "8")]
    pub body_hash: u64,
    /// Hash of the source file.
    #[prost(fixed64, tag = "9")]
    pub file_hash: u64,
    /// Whether it belongs to the application.
    #[prost(bool, tag = "10")]
    pub first_party: bool,
    /// Names of the arguments.
    #[prost(string, repeated, tag = "11")]
    pub arguments: Vec<String>,
    /// Its decisions in source order.
    #[prost(message, repeated, tag = "12")]
    pub decisions: Vec<DecisionDef>,
}

/// One decision.
#[derive(Clone, PartialEq, Message)]
pub struct DecisionDef {
    /// `forksight_model::function::DecisionKind` code.
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// Line, column, end line, end column.
    #[prost(uint32, repeated, tag = "2")]
    pub span: Vec<u32>,
    /// Names of the outcomes.
    #[prost(string, repeated, tag = "3")]
    pub outcomes: Vec<String>,
    /// First line after each outcome.
    #[prost(uint32, repeated, tag = "4")]
    pub target_lines: Vec<u32>,
}

/// Windows up to `seq` are durable and may be forgotten.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Ack {
    /// The highest durable `seq`.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// How many more windows may be sent than before.
    #[prost(uint32, tag = "2")]
    pub credits: u32,
}

/// Settings pushed by the agent. A zero means: keep what you have.
#[derive(Clone, PartialEq, Message)]
pub struct Config {
    /// Window length in milliseconds.
    #[prost(uint32, tag = "1")]
    pub window_ms: u32,
    /// CPU budget in parts per million of the process's own CPU time.
    #[prost(uint32, tag = "2")]
    pub cpu_budget_ppm: u32,
    /// Detach for good.
    #[prost(bool, tag = "3")]
    pub stand_down: bool,
}

/// How the sensor is, once each window.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// `starting`, `observing`, `reduced`, `stood-down`.
    #[prost(string, tag = "1")]
    pub state: String,
    /// Why it stood down or reduced, for people; made of the sensor's own words only.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// CPU time of the process since it began, in nanoseconds.
    #[prost(uint64, tag = "3")]
    pub process_cpu_ns: u64,
    /// CPU time the sensor took of that: callbacks (estimated) and its own thread (measured).
    #[prost(uint64, tag = "4")]
    pub sensor_cpu_ns: u64,
    /// Budget in parts per million of the process's CPU time; 0 for unlimited.
    #[prost(uint32, tag = "5")]
    pub cpu_budget_ppm: u32,
    /// Bytes the sensor holds.
    #[prost(uint64, tag = "6")]
    pub memory_bytes: u64,
    /// Bytes sent since the process began.
    #[prost(uint64, tag = "7")]
    pub sent_bytes: u64,
    /// Functions registered.
    #[prost(uint32, tag = "8")]
    pub functions: u32,
    /// Detail given up since the process began, by what was given up.
    #[prost(map = "string, uint64", tag = "9")]
    pub shed: HashMap<String, u64>,
    /// What is not observed: code elements and reasons, at most 64.
    #[prost(string, repeated, tag = "10")]
    pub blind_spots: Vec<String>,
    /// Bytes sent per second over the last window.
    #[prost(uint64, tag = "11")]
    pub bytes_per_s: u64,
    /// CPU share of the sensor over the last window, in parts per million of the process's CPU.
    #[prost(uint32, tag = "12")]
    pub overhead_ppm: u32,
    /// `functions`, `decisions` or `full`.
    #[prost(string, tag = "13")]
    pub detail: String,
}

/// The sensor is about to close the connection.
#[derive(Clone, PartialEq, Message)]
pub struct Bye {
    /// Why, for people.
    #[prost(string, tag = "1")]
    pub reason: String,
}
