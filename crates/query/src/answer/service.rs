use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One service, in `services`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRow {
    /// `service.name`.
    pub service: String,
    /// The version that appeared last.
    pub newest_version: String,
    /// Processes of it that are connected now.
    pub connected: u64,
    /// Functions of the newest version that were called.
    pub functions: u64,
    /// When its first window began.
    pub first_seen: String,
    /// When its last window ended.
    pub last_seen: String,
    /// Its versions, by first appearance.
    pub versions: Vec<VersionRow>,
}

/// One version of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionRow {
    /// `service.version`.
    pub version: String,
    /// When its first window began.
    pub first_seen: String,
    /// When its last window ended.
    pub last_seen: String,
    /// Its instances, by first appearance.
    pub instances: Vec<InstanceRow>,
}

/// One instance of a version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceRow {
    /// `service.instance.id`.
    pub instance: String,
    /// When its first window began.
    pub first_seen: String,
    /// When its last window ended.
    pub last_seen: String,
}
