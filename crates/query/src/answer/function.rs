use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One function of one version, in `functions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionRow {
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// Source language.
    pub language: String,
    /// Source file, relative to the import root.
    pub file: String,
    /// First line of the definition.
    pub line: u32,
    /// Qualified name, module included.
    pub function: String,
    /// Whether it belongs to the application rather than to a dependency.
    pub first_party: bool,
    /// Calls: counted, or estimated where `calls_exact` is false.
    pub calls: u64,
    /// Whether every call was counted.
    pub calls_exact: bool,
    /// Calls that left by an error; always exact.
    pub errors: u64,
    /// Calls whose inside was observed: the basis of everything but `calls` and `errors`.
    pub sampled: u64,
    /// Median duration; null while no call was observed to its end.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the duration.
    pub p99_ns: Option<u64>,
}
