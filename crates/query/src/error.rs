use thiserror::Error;

/// Why a question has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] forksight_store::Error),
    /// Nothing was observed in the time, service and version asked for.
    #[error("{0}")]
    NoData(String),
    /// No function matches.
    #[error("no function matches `{asked}`{}", suggest(near))]
    NoFunction {
        /// What was asked for.
        asked: String,
        /// Names that are close to it.
        near: Vec<String>,
    },
    /// Several functions match.
    #[error("`{asked}` names several functions; ask for one of: {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// What it could mean.
        candidates: Vec<String>,
    },
    /// The question itself is not well formed.
    #[error("{0}")]
    Usage(String),
}

/// A result of a question.
pub type Result<T> = std::result::Result<T, Error>;

fn suggest(near: &[String]) -> String {
    if near.is_empty() {
        "; `forksight functions` lists what was observed".into()
    } else {
        format!("; close to it: {}", near.join(", "))
    }
}
