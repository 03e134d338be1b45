use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cause;

/// What behaves differently between two populations: the answer of `diff`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// The earlier population, as it was asked for.
    pub before: String,
    /// The later population.
    pub after: String,
    /// Functions that differ, the most suspicious first.
    pub functions: Vec<DiffFunction>,
    /// Functions compared.
    pub compared: u64,
    /// What limits the comparison: missing samples, blind spots.
    pub notes: Vec<String>,
}

/// One function that differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiffFunction {
    /// Qualified name.
    pub function: String,
    /// Source file.
    pub file: String,
    /// First line of the definition in the later population.
    pub line: u32,
    /// From 1.
    pub rank: u32,
    /// How suspicious it is; larger is more.
    pub score: f64,
    /// Kinds of findings, the strongest first.
    pub kinds: Vec<String>,
    /// What explains it best, best first.
    pub causes: Vec<Cause>,
    /// Whether its code differs between the populations.
    pub changed: bool,
    /// What differs, in a few words.
    pub summary: Vec<String>,
}
