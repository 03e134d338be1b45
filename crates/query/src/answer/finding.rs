use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A difference that survived the statistics, in `findings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingAnswer {
    /// Stable id, for `why`.
    pub id: String,
    /// `error-rate`, `new-error`, `decision-shift`, `new-path`, `vanished-path`, `latency-shift`,
    /// `swallowed-error` or `input-shift`.
    pub kind: String,
    /// `service.name`.
    pub service: String,
    /// Qualified name of the function it is about.
    pub function: String,
    /// Its source file.
    pub file: String,
    /// The line that the finding points at.
    pub line: u32,
    /// What differs, in a few words without values: `raises KeyError at line 47`.
    pub summary: String,
    /// When it was first true.
    pub first_seen: String,
    /// When it was last true.
    pub last_seen: String,
    /// `open`, `muted` or `resolved`.
    pub state: String,
    /// The earlier population.
    pub before: Population,
    /// The later population.
    pub after: Population,
    /// The false-discovery level at which it is reported.
    pub q_value: f64,
    /// Place among all findings, from 1.
    pub rank: u32,
    /// What explains it best, best first.
    pub causes: Vec<Cause>,
    /// Entries through which it is reached, most frequent first.
    pub entries: Vec<FindingEntry>,
    /// What it rests on.
    pub evidence: Evidence,
    /// What was not observed.
    pub blind_spots: Vec<String>,
}

/// One of the two populations of a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Population {
    /// `v1.4.1`, or a time.
    pub label: String,
    /// Calls, evaluations or entries in it.
    pub n: u64,
    /// Share of them in which it is true; for a latency shift the seconds of the percentile.
    pub rate: f64,
    /// How many of `n`, where the rate is a share; null otherwise.
    pub count: Option<u64>,
}

/// What explains a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// From 1.
    pub rank: u32,
    /// Qualified name of the function.
    pub function: String,
    /// Its source file.
    pub file: String,
    /// The line to look at.
    pub line: u32,
    /// The decision outcome, if one explains it.
    pub decision: Option<CauseDecision>,
    /// The input condition, if one explains it.
    pub input: Option<CauseInput>,
    /// Share of the calls with the effect in which the condition holds.
    pub share_with: f64,
    /// Share of the other calls in which it holds.
    pub share_without: f64,
    /// Calls it was computed over.
    pub n: u64,
}

/// A decision that went one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CauseDecision {
    /// Its number in the function.
    pub ordinal: u32,
    /// `if`, `for`, `except`, …
    pub kind: String,
    /// First line of its condition.
    pub line: u32,
    /// The way it went.
    pub outcome: String,
}

/// An argument in one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CauseInput {
    /// Name of the argument, or `return`.
    pub argument: String,
    /// Class of the value.
    pub class: String,
}

/// An entry through which a finding is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingEntry {
    /// `POST /checkout`.
    pub entry: String,
    /// Observed functions from the entry to the function, where they are known.
    pub through: Vec<String>,
    /// Sampled calls with the effect that came this way.
    pub n: u64,
}

/// What a finding rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Single calls looked at.
    pub sampled_calls: u64,
    /// Windows of both populations.
    pub windows: u64,
    /// Instances of both populations.
    pub instances: u64,
}
