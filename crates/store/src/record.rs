//! What is put into a store and comes out of it, besides aggregates.

use forksight_model::Name;
use forksight_wire::message::{Hello, Status};
use forksight_wire::window::Window;

/// One window of one instance, ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `service.name`.
    pub service: Name,
    /// `service.version`.
    pub version: Name,
    /// `service.instance.id`.
    pub instance: Name,
    /// The sensor's restarts within the instance.
    pub epoch: u64,
    /// The window, its functions numbered by the store.
    pub window: Window,
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Windows that are durable now and were not before.
    pub stored: u64,
    /// Windows that had been counted before, and were left out.
    pub repeated: u64,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Its versions, by first appearance.
    pub versions: Vec<Version>,
}

/// A version of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub name: Name,
    /// When its first window began, in milliseconds since 1970.
    pub first_seen_ms: u64,
    /// When its last window ended.
    pub last_seen_ms: u64,
    /// Its instances, by first appearance.
    pub instances: Vec<Instance>,
}

/// An instance of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `service.instance.id`.
    pub id: Name,
    /// When its first window began, in milliseconds since 1970.
    pub first_seen_ms: u64,
    /// When its last window ended.
    pub last_seen_ms: u64,
}

/// What is known of an observed process; one for each `hello.instance`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// What it said of itself; its token is not kept.
    pub hello: Hello,
    /// Its last status.
    pub status: Option<Status>,
    /// Whether it is connected.
    pub connected: bool,
    /// When it was last heard of, in milliseconds since 1970.
    pub last_seen_ms: u64,
}

/// A finding, as analysis wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its id.
    pub id: Name,
    /// The service it is about.
    pub service: Name,
    /// What became of it.
    pub state: FindingState,
    /// When it was first true, in milliseconds since 1970.
    pub first_seen_ms: u64,
    /// When it was last true.
    pub last_seen_ms: u64,
    /// Everything else, as JSON.
    pub document: String,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FindingState {
    /// It holds.
    #[default]
    Open,
    /// A person does not want to hear of it; only a person changes that.
    Muted,
    /// It holds no longer.
    Resolved,
}

impl FindingState {
    /// Name in JSON and in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Muted => "muted",
            Self::Resolved => "resolved",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Muted, Self::Resolved].into_iter().find(|state| state.as_str() == name)
    }
}

/// What one piece of upkeep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Blocks that were folded into coarser ones.
    pub folded: u64,
    /// Coarser blocks written for them.
    pub written: u64,
    /// Blocks deleted because of their age.
    pub expired: u64,
    /// Blocks deleted because the store was over its disk ceiling.
    pub evicted: u64,
    /// Whether more is due now.
    pub more: bool,
}

/// How much a store keeps, and how much it has given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blocks by level, finest first.
    pub blocks: [u64; 5],
    /// Bytes in use, without space that was freed.
    pub bytes: u64,
    /// The most bytes it may use; 0 for no limit.
    pub ceiling_bytes: u64,
    /// When the oldest block begins, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// Windows deleted because of their age, since the store was made.
    pub windows_expired: u64,
    /// Windows deleted because of the disk ceiling, since the store was made.
    pub windows_evicted: u64,
}
