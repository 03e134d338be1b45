//! One window of observations as parallel columns.
//!
//! The same message travels from sensor to agent and, with its function numbers replaced by the
//! store's, is the payload of a store block. Columns of one family have equal lengths; a family
//! whose columns differ in length is refused by [`Window::check`]. Strings are indices into
//! [`Window::strings`], whose first element is the empty string.
//!
//! Tags are part of the wire and block formats: never reuse one.

use std::fmt;

use prost::Message;

/// One window.
#[derive(Clone, PartialEq, Message)]
pub struct Window {
    /// Number within (instance, epoch), rising, from 1.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// When it began, in milliseconds since 1970.
    #[prost(uint64, tag = "2")]
    pub start_ms: u64,
    /// How long it lasted, in milliseconds.
    #[prost(uint32, tag = "3")]
    pub duration_ms: u32,
    /// Type names, entry names and files used below; index 0 is the empty string.
    #[prost(string, repeated, tag = "4")]
    pub strings: Vec<String>,
    /// Calls, errors and latency of each function.
    #[prost(message, optional, tag = "5")]
    pub functions: Option<Functions>,
    /// How often each outcome was taken.
    #[prost(message, optional, tag = "6")]
    pub outcomes: Option<Outcomes>,
    /// Paths.
    #[prost(message, optional, tag = "7")]
    pub paths: Option<Paths>,
    /// Exits by error, and cancellations.
    #[prost(message, optional, tag = "8")]
    pub exits: Option<Exits>,
    /// Error flows.
    #[prost(message, optional, tag = "9")]
    pub errors: Option<Errors>,
    /// Shapes of arguments and return values.
    #[prost(message, optional, tag = "10")]
    pub shapes: Option<Shapes>,
    /// Who called whom.
    #[prost(message, optional, tag = "11")]
    pub edges: Option<Edges>,
    /// Entries.
    #[prost(message, optional, tag = "12")]
    pub entries: Option<Entries>,
    /// Single calls.
    #[prost(message, optional, tag = "13")]
    pub call_samples: Option<CallSamples>,
    /// Single entries.
    #[prost(message, optional, tag = "14")]
    pub entry_samples: Option<EntrySamples>,
    /// What was given up in this window.
    #[prost(message, optional, tag = "15")]
    pub shed: Option<Shed>,
}

/// A row for each function that was called or ended a call.
#[derive(Clone, PartialEq, Message)]
pub struct Functions {
    /// Function numbers, rising.
    #[prost(uint32, repeated, tag = "1")]
    pub function: Vec<u32>,
    /// Calls seen.
    #[prost(uint64, repeated, tag = "2")]
    pub calls_n: Vec<u64>,
    /// Calls estimated; equal to `calls_n` where the count is exact.
    #[prost(uint64, repeated, tag = "3")]
    pub calls_w: Vec<u64>,
    /// Calls that left by an error.
    #[prost(uint64, repeated, tag = "4")]
    pub errors: Vec<u64>,
    /// Calls whose inside was observed by the uniform stream.
    #[prost(uint64, repeated, tag = "5")]
    pub observed_n: Vec<u64>,
    /// Sum of their weights.
    #[prost(uint64, repeated, tag = "6")]
    pub observed_w: Vec<u64>,
    /// Sum of their durations by weight, in nanoseconds.
    #[prost(uint64, repeated, tag = "7")]
    pub duration_ns: Vec<u64>,
    /// Their latency sketches, by weight.
    #[prost(message, optional, tag = "8")]
    pub latency: Option<Sketches>,
}

/// Sparse sketches one after the other.
#[derive(Clone, PartialEq, Message)]
pub struct Sketches {
    /// Number of buckets of each sketch.
    #[prost(uint32, repeated, tag = "1")]
    pub len: Vec<u32>,
    /// Buckets of all sketches.
    #[prost(uint32, repeated, tag = "2")]
    pub bucket: Vec<u32>,
    /// Their counts.
    #[prost(uint64, repeated, tag = "3")]
    pub count: Vec<u64>,
}

/// A row for each outcome taken.
#[derive(Clone, PartialEq, Message)]
pub struct Outcomes {
    /// Function numbers.
    #[prost(uint32, repeated, tag = "1")]
    pub function: Vec<u32>,
    /// Positions in the function's outcome set.
    #[prost(uint32, repeated, tag = "2")]
    pub outcome: Vec<u32>,
    /// Evaluations seen.
    #[prost(uint64, repeated, tag = "3")]
    pub n: Vec<u64>,
    /// Evaluations they stand for.
    #[prost(uint64, repeated, tag = "4")]
    pub w: Vec<u64>,
}

/// A row for each path.
#[derive(Clone, PartialEq, Message)]
pub struct Paths {
    /// Function numbers.
    #[prost(uint32, repeated, tag = "1")]
    pub function: Vec<u32>,
    /// The path.
    #[prost(message, optional, tag = "2")]
    pub path: Option<PathColumns>,
    /// Calls seen.
    #[prost(uint64, repeated, tag = "3")]
    pub n: Vec<u64>,
    /// Calls they stand for.
    #[prost(uint64, repeated, tag = "4")]
    pub w: Vec<u64>,
    /// Their latency sketches, by weight.
    #[prost(message, optional, tag = "5")]
    pub latency: Option<Sketches>,
}

/// Columns of `forksight_model::path::Path`.
#[derive(Clone, PartialEq, Message)]
pub struct PathColumns {
    /// Outcome sets as bytes without trailing zero bytes.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub outcomes: Vec<Vec<u8>>,
    /// [`EXIT_RETURNED`] and so on, plus [`EXIT_CUT`].
    #[prost(uint32, repeated, tag = "2")]
    pub exit: Vec<u32>,
    /// String index of the error type.
    #[prost(uint32, repeated, tag = "3")]
    pub error_type: Vec<u32>,
    /// Line the error left by.
    #[prost(uint32, repeated, tag = "4")]
    pub line: Vec<u32>,
}

/// Exit code: returned.
pub const EXIT_RETURNED: u32 = 0;
/// Exit code: raised.
pub const EXIT_RAISED: u32 = 1;
/// Exit code: cancelled.
pub const EXIT_CANCELLED: u32 = 2;
/// Exit code: end not seen.
pub const EXIT_UNSEEN: u32 = 3;
/// Added to an exit code when the outcome set is cut.
pub const EXIT_CUT: u32 = 16;

/// A row for each exit that is not a plain return.
#[derive(Clone, PartialEq, Message)]
pub struct Exits {
    /// Function numbers.
    #[prost(uint32, repeated, tag = "1")]
    pub function: Vec<u32>,
    /// Exit codes.
    #[prost(uint32, repeated, tag = "2")]
    pub exit: Vec<u32>,
    /// String index of the error type.
    #[prost(uint32, repeated, tag = "3")]
    pub error_type: Vec<u32>,
    /// Line the error left by.
    #[prost(uint32, repeated, tag = "4")]
    pub line: Vec<u32>,
    /// Calls.
    #[prost(uint64, repeated, tag = "5")]
    pub count: Vec<u64>,
}

/// A row for each error flow.
#[derive(Clone, PartialEq, Message)]
pub struct Errors {
    /// String index of the error type.
    #[prost(uint32, repeated, tag = "1")]
    pub error_type: Vec<u32>,
    /// Function where it was raised, 0 where that is not observed.
    #[prost(uint32, repeated, tag = "2")]
    pub origin_function: Vec<u32>,
    /// String index of its name.
    #[prost(uint32, repeated, tag = "3")]
    pub origin_name: Vec<u32>,
    /// String index of its file.
    #[prost(uint32, repeated, tag = "4")]
    pub origin_file: Vec<u32>,
    /// Line where it was raised.
    #[prost(uint32, repeated, tag = "5")]
    pub origin_line: Vec<u32>,
    /// How many functions of `through` belong to each row.
    #[prost(uint32, repeated, tag = "6")]
    pub through_len: Vec<u32>,
    /// The functions passed through, of all rows.
    #[prost(uint32, repeated, tag = "7")]
    pub through: Vec<u32>,
    /// `forksight_model::aggregate::Ended` codes.
    #[prost(uint32, repeated, tag = "8")]
    pub ended: Vec<u32>,
    /// Function where it ended, 0 for none.
    #[prost(uint32, repeated, tag = "9")]
    pub end_function: Vec<u32>,
    /// Line where it ended.
    #[prost(uint32, repeated, tag = "10")]
    pub end_line: Vec<u32>,
    /// Errors.
    #[prost(uint64, repeated, tag = "11")]
    pub count: Vec<u64>,
}

/// A row for each shape of each argument.
#[derive(Clone, PartialEq, Message)]
pub struct Shapes {
    /// Function numbers.
    #[prost(uint32, repeated, tag = "1")]
    pub function: Vec<u32>,
    /// Argument position, 255 for the return value.
    #[prost(uint32, repeated, tag = "2")]
    pub slot: Vec<u32>,
    /// `forksight_model::shape::Class` codes.
    #[prost(uint32, repeated, tag = "3")]
    pub class: Vec<u32>,
    /// String index of the type name, 0 for none.
    #[prost(uint32, repeated, tag = "4")]
    pub type_name: Vec<u32>,
    /// Calls seen.
    #[prost(uint64, repeated, tag = "5")]
    pub n: Vec<u64>,
    /// Calls they stand for.
    #[prost(uint64, repeated, tag = "6")]
    pub w: Vec<u64>,
}

/// A row for each (caller, callee) seen.
#[derive(Clone, PartialEq, Message)]
pub struct Edges {
    /// Calling function, 0 where it is not observed.
    #[prost(uint32, repeated, tag = "1")]
    pub caller: Vec<u32>,
    /// Called function.
    #[prost(uint32, repeated, tag = "2")]
    pub function: Vec<u32>,
    /// Calls seen.
    #[prost(uint64, repeated, tag = "3")]
    pub n: Vec<u64>,
    /// Calls they stand for.
    #[prost(uint64, repeated, tag = "4")]
    pub w: Vec<u64>,
}

/// A row for each entry and each way it ended.
#[derive(Clone, PartialEq, Message)]
pub struct Entries {
    /// `forksight_model::sample::EntryKind` codes.
    #[prost(uint32, repeated, tag = "1")]
    pub kind: Vec<u32>,
    /// String index of the name.
    #[prost(uint32, repeated, tag = "2")]
    pub name: Vec<u32>,
    /// String index of the escaped error's type, 0 for none.
    #[prost(uint32, repeated, tag = "3")]
    pub error_type: Vec<u32>,
    /// First digit of the HTTP status, 0 for none.
    #[prost(uint32, repeated, tag = "4")]
    pub status_class: Vec<u32>,
    /// Entries.
    #[prost(uint64, repeated, tag = "5")]
    pub count: Vec<u64>,
    /// Their durations.
    #[prost(message, optional, tag = "6")]
    pub latency: Option<Sketches>,
}

/// A row for each sampled call.
#[derive(Clone, PartialEq, Message)]
pub struct CallSamples {
    /// Function numbers.
    #[prost(uint32, repeated, tag = "1")]
    pub function: Vec<u32>,
    /// `forksight_model::sample::Stream` codes.
    #[prost(uint32, repeated, tag = "2")]
    pub stream: Vec<u32>,
    /// One over the probability of selection.
    #[prost(uint32, repeated, tag = "3")]
    pub weight: Vec<u32>,
    /// The path.
    #[prost(message, optional, tag = "4")]
    pub path: Option<PathColumns>,
    /// Durations in nanoseconds.
    #[prost(uint64, repeated, tag = "5")]
    pub duration_ns: Vec<u64>,
    /// How many shapes of `class` belong to each row: the arguments, then the return value.
    #[prost(uint32, repeated, tag = "6")]
    pub shape_len: Vec<u32>,
    /// Class codes of all rows.
    #[prost(uint32, repeated, tag = "7")]
    pub class: Vec<u32>,
    /// String indices of their type names.
    #[prost(uint32, repeated, tag = "8")]
    pub type_name: Vec<u32>,
    /// Calling functions, 0 for none.
    #[prost(uint32, repeated, tag = "9")]
    pub caller: Vec<u32>,
    /// Entry kinds.
    #[prost(uint32, repeated, tag = "10")]
    pub entry_kind: Vec<u32>,
    /// String indices of the entry names; 0 where the entry is not known.
    #[prost(uint32, repeated, tag = "11")]
    pub entry_name: Vec<u32>,
}

/// A row for each sampled entry.
#[derive(Clone, PartialEq, Message)]
pub struct EntrySamples {
    /// Entry kinds.
    #[prost(uint32, repeated, tag = "1")]
    pub kind: Vec<u32>,
    /// String indices of the names.
    #[prost(uint32, repeated, tag = "2")]
    pub name: Vec<u32>,
    /// Stream codes.
    #[prost(uint32, repeated, tag = "3")]
    pub stream: Vec<u32>,
    /// One over the probability of selection.
    #[prost(uint32, repeated, tag = "4")]
    pub weight: Vec<u32>,
    /// String indices of the escaped errors' types.
    #[prost(uint32, repeated, tag = "5")]
    pub error_type: Vec<u32>,
    /// First digits of the HTTP status.
    #[prost(uint32, repeated, tag = "6")]
    pub status_class: Vec<u32>,
    /// Durations in nanoseconds.
    #[prost(uint64, repeated, tag = "7")]
    pub duration_ns: Vec<u64>,
    /// How many rows of `function` and `path` belong to each entry.
    #[prost(uint32, repeated, tag = "8")]
    pub len: Vec<u32>,
    /// Functions of all entries.
    #[prost(uint32, repeated, tag = "9")]
    pub function: Vec<u32>,
    /// Their paths.
    #[prost(message, optional, tag = "10")]
    pub path: Option<PathColumns>,
    /// 1 where there were more paths than were kept.
    #[prost(uint32, repeated, tag = "11")]
    pub cut: Vec<u32>,
    /// Trace ids, sixteen bytes or none.
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub trace_id: Vec<Vec<u8>>,
}

/// What was given up, and how often.
#[derive(Clone, PartialEq, Message)]
pub struct Shed {
    /// String indices of what was given up.
    #[prost(uint32, repeated, tag = "1")]
    pub what: Vec<u32>,
    /// How often.
    #[prost(uint64, repeated, tag = "2")]
    pub count: Vec<u64>,
}

/// What is wrong with a window that decodes but does not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The family that is wrong.
    pub family: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "columns of `{}` do not fit together", self.family)
    }
}

impl std::error::Error for Malformed {}

/// The longest string a window may hold, in bytes.
pub const MAX_STRING: usize = 512;

impl Window {
    /// Checks that the columns of every family fit together and that every index is in range.
    ///
    /// # Errors
    ///
    /// [`Malformed`] names the first family that is wrong; drop the whole window then.
    pub fn check(&self) -> Result<(), Malformed> {
        let strings = self.strings.len();
        let first_is_empty = self.strings.first().is_none_or(String::is_empty);
        let short = self.strings.iter().all(|s| s.len() <= MAX_STRING);
        family("strings", first_is_empty && short)?;
        if let Some(f) = &self.functions {
            let rows = f.function.len();
            family(
                "functions",
                [f.calls_n.len(), f.calls_w.len(), f.errors.len()] == [rows; 3]
                    && [f.observed_n.len(), f.observed_w.len(), f.duration_ns.len()] == [rows; 3]
                    && sketches(f.latency.as_ref(), rows),
            )?;
        }
        if let Some(o) = &self.outcomes {
            let rows = o.function.len();
            family("outcomes", [o.outcome.len(), o.n.len(), o.w.len()] == [rows; 3])?;
        }
        if let Some(p) = &self.paths {
            let rows = p.function.len();
            family(
                "paths",
                [p.n.len(), p.w.len()] == [rows; 2]
                    && paths(p.path.as_ref(), rows, strings)
                    && sketches(p.latency.as_ref(), rows),
            )?;
        }
        if let Some(e) = &self.exits {
            let rows = e.function.len();
            family(
                "exits",
                [e.exit.len(), e.error_type.len(), e.line.len(), e.count.len()] == [rows; 4]
                    && in_range(&e.error_type, strings),
            )?;
        }
        if let Some(e) = &self.errors {
            let rows = e.error_type.len();
            family(
                "errors",
                [e.origin_function.len(), e.origin_name.len(), e.origin_file.len()] == [rows; 3]
                    && [e.origin_line.len(), e.through_len.len(), e.ended.len()] == [rows; 3]
                    && [e.end_function.len(), e.end_line.len(), e.count.len()] == [rows; 3]
                    && sums_to(&e.through_len, e.through.len())
                    && in_range(&e.error_type, strings)
                    && in_range(&e.origin_name, strings)
                    && in_range(&e.origin_file, strings),
            )?;
        }
        if let Some(s) = &self.shapes {
            let rows = s.function.len();
            family(
                "shapes",
                [s.slot.len(), s.class.len(), s.type_name.len(), s.n.len(), s.w.len()]
                    == [rows; 5]
                    && in_range(&s.type_name, strings),
            )?;
        }
        if let Some(e) = &self.edges {
            let rows = e.caller.len();
            family("edges", [e.function.len(), e.n.len(), e.w.len()] == [rows; 3])?;
        }
        if let Some(e) = &self.entries {
            let rows = e.kind.len();
            family(
                "entries",
                [e.name.len(), e.error_type.len(), e.status_class.len(), e.count.len()]
                    == [rows; 4]
                    && in_range(&e.name, strings)
                    && in_range(&e.error_type, strings)
                    && sketches(e.latency.as_ref(), rows),
            )?;
        }
        if let Some(c) = &self.call_samples {
            let rows = c.function.len();
            family(
                "call_samples",
                [c.stream.len(), c.weight.len(), c.duration_ns.len()] == [rows; 3]
                    && [c.shape_len.len(), c.caller.len(), c.entry_kind.len()] == [rows; 3]
                    && c.entry_name.len() == rows
                    && c.class.len() == c.type_name.len()
                    && sums_to(&c.shape_len, c.class.len())
                    && in_range(&c.type_name, strings)
                    && in_range(&c.entry_name, strings)
                    && paths(c.path.as_ref(), rows, strings),
            )?;
        }
        if let Some(e) = &self.entry_samples {
            let rows = e.kind.len();
            family(
                "entry_samples",
                [e.name.len(), e.stream.len(), e.weight.len(), e.error_type.len()] == [rows; 4]
                    && [e.status_class.len(), e.duration_ns.len(), e.len.len()] == [rows; 3]
                    && [e.cut.len(), e.trace_id.len()] == [rows; 2]
                    && sums_to(&e.len, e.function.len())
                    && in_range(&e.name, strings)
                    && in_range(&e.error_type, strings)
                    && e.trace_id.iter().all(|id| matches!(id.len(), 0 | 16))
                    && paths(e.path.as_ref(), e.function.len(), strings),
            )?;
        }
        if let Some(s) = &self.shed {
            family("shed", s.what.len() == s.count.len() && in_range(&s.what, strings))?;
        }
        Ok(())
    }
}

fn family(family: &'static str, ok: bool) -> Result<(), Malformed> {
    if ok { Ok(()) } else { Err(Malformed { family }) }
}

fn in_range(indices: &[u32], strings: usize) -> bool {
    // Index 0 is the empty string even where the table is left out.
    indices.iter().all(|index| (*index as usize) < strings.max(1))
}

fn sums_to(lens: &[u32], total: usize) -> bool {
    lens.iter().map(|len| *len as usize).sum::<usize>() == total
}

fn sketches(sketches: Option<&Sketches>, rows: usize) -> bool {
    match sketches {
        None => rows == 0,
        Some(s) => {
            s.len.len() == rows
                && s.bucket.len() == s.count.len()
                && sums_to(&s.len, s.bucket.len())
                && s.bucket.iter().all(|bucket| *bucket < 1024)
        }
    }
}

fn paths(paths: Option<&PathColumns>, rows: usize, strings: usize) -> bool {
    match paths {
        None => rows == 0,
        Some(p) => {
            [p.outcomes.len(), p.exit.len(), p.error_type.len(), p.line.len()] == [rows; 4]
                && p.outcomes.iter().all(|set| set.len() <= 64)
                && in_range(&p.error_type, strings)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_window_is_well_formed() {
        assert_eq!(Window::default().check(), Ok(()));
    }

    #[test]
    fn a_short_column_is_refused_by_name() {
        let outcomes = Outcomes { function: vec![1], outcome: vec![0], n: vec![1], w: vec![] };
        let window = Window { outcomes: Some(outcomes), ..Window::default() };
        assert_eq!(window.check(), Err(Malformed { family: "outcomes" }));
    }

    #[test]
    fn a_string_index_out_of_range_is_refused() {
        let shed = Shed { what: vec![1], count: vec![1] };
        let window = Window { shed: Some(shed), ..Window::default() };
        assert_eq!(window.check(), Err(Malformed { family: "shed" }));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(window) = Window::decode(&bytes[..]) {
                let _ = window.check();
            }
        }
    }
}
