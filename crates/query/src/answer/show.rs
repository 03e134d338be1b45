use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Window;

/// One function in one version: the answer of `show`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// `service.name`.
    pub service: String,
    /// The version that is shown: the newest unless one was asked for.
    pub version: String,
    /// Source language.
    pub language: String,
    /// Qualified name, module included.
    pub function: String,
    /// Source file, relative to the import root.
    pub file: String,
    /// First line of the definition.
    pub line: u32,
    /// Last line of the definition.
    pub end_line: u32,
    /// Hash of the code, 16 hexadecimal digits: equal for equal code wherever its lines are.
    pub body_hash: String,
    /// Hash of the whole source file when it was read, 16 hexadecimal digits; null where it could
    /// not be read.
    pub file_hash: Option<String>,
    /// Import root the file was found under on the machine that ran it.
    pub root: String,
    /// Whether it belongs to the application rather than to a dependency.
    pub first_party: bool,
    /// Names of the arguments.
    pub arguments: Vec<String>,
    /// The time covered.
    pub window: Window,
    /// Calls: counted, or estimated where `calls_exact` is false.
    pub calls: u64,
    /// Whether every call was counted.
    pub calls_exact: bool,
    /// Calls whose inside was observed: `n` of every share below.
    pub sampled: u64,
    /// How many calls the observed ones stand for.
    pub sampled_weight: u64,
    /// Calls that left by an error; always exact.
    pub error_calls: u64,
    /// Median duration of the observed calls.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the duration.
    pub p99_ns: Option<u64>,
    /// Its decisions in source order.
    pub decisions: Vec<DecisionRow>,
    /// The paths of the observed calls, most frequent first.
    pub paths: Vec<PathRow>,
    /// How its calls ended, most frequent first.
    pub exits: Vec<ExitRow>,
    /// Errors raised in it, passing through it or ending in it, most frequent first.
    pub errors: Vec<ErrorRow>,
    /// Classes of its arguments and of its return value (`return`).
    pub inputs: Vec<InputRow>,
    /// The observed functions that called it, most frequent first.
    pub callers: Vec<CallerRow>,
    /// The same function in every version, by first appearance of the version.
    pub versions: Vec<ShowVersion>,
    /// Other code that was observed under this name in this version and is not counted above.
    pub other_bodies: Vec<OtherBody>,
}

/// One decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRow {
    /// Its number in the function, from 0 in source order.
    pub ordinal: u32,
    /// `if`, `for`, `except`, …
    pub kind: String,
    /// First line of the condition.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column just past the last character.
    pub end_column: u32,
    /// The ways it can go.
    pub outcomes: Vec<OutcomeRow>,
}

/// One way a decision can go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRow {
    /// `true`, `false`, `entered`, `case 2`, …
    pub name: String,
    /// First line executed when it goes this way; null where unknown.
    pub target_line: Option<u32>,
    /// How often it went this way, each evaluation counted; an estimate where `exact` is false.
    pub count: u64,
    /// Whether every evaluation was counted.
    pub exact: bool,
    /// Share of the decision's evaluations that went this way; null where it was never evaluated.
    pub share: Option<f64>,
    /// Lower end of the 95 % interval of `share`; equal to it where exact.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// Evaluations that were seen to go this way.
    pub n: u64,
}

/// One path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathRow {
    /// Stable while the body hash stays.
    pub id: String,
    /// Calls that took it; an estimate where not every call was observed.
    pub calls: u64,
    /// Share of the observed calls.
    pub share: f64,
    /// Lower end of the 95 % interval of `share`.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Observed calls that took it.
    pub n: u64,
    /// How it ends: `returned`, `raised KeyError at line 47`, `cancelled`, `unseen`.
    pub exit: String,
    /// Median duration.
    pub p50_ns: Option<u64>,
    /// The outcomes seen, by decision; decisions that were not reached are absent.
    pub outcomes: Vec<PathOutcome>,
    /// Whether the function has more decisions than a record holds, so that `outcomes` is cut.
    pub cut: bool,
}

/// The outcomes of one decision on a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathOutcome {
    /// The decision.
    pub ordinal: u32,
    /// The outcomes seen; more than one where it was evaluated again and again.
    pub names: Vec<String>,
}

/// One way calls ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExitRow {
    /// `returned`, `raised`, `cancelled`.
    pub kind: String,
    /// Type of the error.
    pub error_type: Option<String>,
    /// Line of the function that the error left by.
    pub line: Option<u32>,
    /// Calls that ended so; exact for all but `returned`, which is as exact as the calls are.
    pub calls: u64,
    /// Share of all calls.
    pub share: f64,
}

/// One way of an error that touches the function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRow {
    /// Type of the error.
    pub error_type: String,
    /// Source file where it was raised.
    pub file: String,
    /// Line where it was raised.
    pub line: u32,
    /// Function that raised it.
    pub function: String,
    /// Whether the function shown is the one that raised it.
    pub origin: bool,
    /// `escaped`, `handled` or `swallowed`.
    pub ended: String,
    /// Function where it ended; null outside observed code.
    pub ended_function: Option<String>,
    /// Line where it ended.
    pub ended_line: Option<u32>,
    /// Line of the function shown to which the row belongs: where the error was raised or caught
    /// in it; null where it only passed through.
    pub here: Option<u32>,
    /// How often; exact.
    pub count: u64,
}

/// How often an argument fell into a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputRow {
    /// Name of the argument, or `return`.
    pub argument: String,
    /// Class of the value: `None`, `int > 0 (4–7)`, `str empty`, a type name. Never a value.
    pub class: String,
    /// Share of the observed calls in which this argument was looked at.
    pub share: f64,
    /// Lower end of the 95 % interval of `share`.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Observed calls with this class.
    pub n: u64,
}

/// One calling function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallerRow {
    /// Its qualified name.
    pub function: String,
    /// Its source file.
    pub file: String,
    /// Its first line.
    pub line: u32,
    /// Calls from it; an estimate.
    pub calls: u64,
    /// Share of the observed calls.
    pub share: f64,
}

/// The function in one version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShowVersion {
    /// `service.version`.
    pub version: String,
    /// Hash of the code in that version; several where it was changed without a new version.
    pub body_hashes: Vec<String>,
    /// Whether the code is the one shown.
    pub same_body: bool,
    /// Calls.
    pub calls: u64,
    /// Whether every call was counted.
    pub calls_exact: bool,
    /// Calls that left by an error.
    pub errors: u64,
    /// 99th percentile of the duration.
    pub p99_ns: Option<u64>,
    /// The time covered.
    pub window: Window,
}

/// Other code under the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OtherBody {
    /// First line of its definition.
    pub line: u32,
    /// Hash of its code.
    pub body_hash: String,
    /// Its calls.
    pub calls: u64,
}
