//! Counts over many calls. Merging is associative and commutative, with `Default` as identity
//! (I-MERGE).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use forksight_sketch::Sketch;

use crate::Name;
use crate::function::FunctionId;
use crate::path::{Exit, Path};
use crate::sample::{CallSample, Entry, EntryExit, EntrySample};
use crate::shape::Shape;

/// A count of what was seen, and of what that stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weighted {
    /// How many were seen: a lower bound of the truth, and the sample size.
    pub n: u64,
    /// How many those stand for: the sum of the weights they were selected at.
    pub w: u64,
}

impl Weighted {
    /// A count of things that were all seen.
    pub const fn exact(n: u64) -> Self {
        Self { n, w: n }
    }

    /// Whether every one was seen.
    pub const fn is_exact(self) -> bool {
        self.n == self.w
    }

    /// Adds `other`.
    pub fn merge(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        self.w = self.w.saturating_add(other.w);
    }
}

/// Everything known of a set of windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Counts of each function.
    pub functions: BTreeMap<FunctionId, FunctionAggregate>,
    /// Errors: where raised, and how they ended.
    pub errors: BTreeMap<ErrorFlow, u64>,
    /// Counts of each entry.
    pub entries: BTreeMap<Entry, EntryAggregate>,
    /// Single calls, in no particular order.
    pub call_samples: Vec<CallSample>,
    /// Single entries, in no particular order.
    pub entry_samples: Vec<EntrySample>,
    /// Detail that was given up, by what was given up.
    pub shed: BTreeMap<Name, u64>,
}

impl Aggregate {
    /// Adds everything in `other`.
    pub fn merge(&mut self, other: Self) {
        for (id, function) in other.functions {
            merge_slot(self.functions.entry(id), function, FunctionAggregate::merge);
        }
        for (flow, n) in other.errors {
            add(self.errors.entry(flow).or_default(), n);
        }
        for (entry, counts) in other.entries {
            merge_slot(self.entries.entry(entry), counts, EntryAggregate::merge);
        }
        self.call_samples.extend(other.call_samples);
        self.entry_samples.extend(other.entry_samples);
        for (what, n) in other.shed {
            add(self.shed.entry(what).or_default(), n);
        }
    }
}

/// Counts of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionAggregate {
    /// Calls: exact unless the function was too hot to count.
    pub calls: Weighted,
    /// Calls that left by an error; always exact.
    pub errors: u64,
    /// Calls whose inside was observed, by the uniform stream: the basis of every family below
    /// but `exits`.
    pub observed: Weighted,
    /// Durations of the observed calls, by weight.
    pub latency: Sketch,
    /// Sum of the durations of the observed calls, by weight, in nanoseconds.
    pub duration_sum_ns: u64,
    /// How often each outcome was taken, each evaluation counted, by position in the outcome set.
    pub outcomes: BTreeMap<u32, Weighted>,
    /// The paths of the observed calls.
    pub paths: BTreeMap<Path, PathAggregate>,
    /// Exits by an error, and cancellations; always exact.
    pub exits: BTreeMap<Exit, u64>,
    /// Shapes by argument position; [`RETURN_SLOT`] is the return value.
    pub shapes: BTreeMap<(u8, Shape), Weighted>,
    /// The observed functions that called it.
    pub callers: BTreeMap<FunctionId, Weighted>,
}

/// The slot of the return value in [`FunctionAggregate::shapes`].
pub const RETURN_SLOT: u8 = 255;

impl FunctionAggregate {
    /// Adds everything in `other`.
    pub fn merge(&mut self, other: Self) {
        self.calls.merge(other.calls);
        add(&mut self.errors, other.errors);
        self.observed.merge(other.observed);
        self.latency.merge(&other.latency);
        self.duration_sum_ns = self.duration_sum_ns.saturating_add(other.duration_sum_ns);
        merge_weighted(&mut self.outcomes, other.outcomes);
        for (path, counts) in other.paths {
            merge_slot(self.paths.entry(path), counts, PathAggregate::merge);
        }
        for (exit, n) in other.exits {
            add(self.exits.entry(exit).or_default(), n);
        }
        merge_weighted(&mut self.shapes, other.shapes);
        merge_weighted(&mut self.callers, other.callers);
    }

    /// How many observed calls saw the outcome at this position of the outcome set.
    pub fn calls_with(&self, outcome: usize) -> Weighted {
        let mut sum = Weighted::default();
        for (path, counts) in &self.paths {
            if path.outcomes.contains(outcome) {
                sum.merge(counts.observed);
            }
        }
        sum
    }
}

/// Counts of one path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathAggregate {
    /// Observed calls that took it.
    pub observed: Weighted,
    /// Their durations, by weight.
    pub latency: Sketch,
}

impl PathAggregate {
    /// Adds everything in `other`.
    pub fn merge(&mut self, other: Self) {
        self.observed.merge(other.observed);
        self.latency.merge(&other.latency);
    }
}

/// Counts of one entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryAggregate {
    /// Ended entries by how they ended; exact.
    pub exits: BTreeMap<EntryExit, u64>,
    /// Their durations.
    pub latency: Sketch,
}

impl EntryAggregate {
    /// Adds everything in `other`.
    pub fn merge(&mut self, other: Self) {
        for (exit, n) in other.exits {
            add(self.exits.entry(exit).or_default(), n);
        }
        self.latency.merge(&other.latency);
    }

    /// How many entries ended.
    pub fn count(&self) -> u64 {
        self.exits.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// How many of them failed.
    pub fn failures(&self) -> u64 {
        self.exits
            .iter()
            .filter(|(exit, _)| exit.is_failure())
            .fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }
}

/// One way of an error through the observed code, from its origin to its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorFlow {
    /// Type name of the error.
    pub error_type: Name,
    /// Where it was raised.
    pub origin: ErrorSite,
    /// The observed functions it passed through, from the origin outwards, at most eight.
    pub through: Vec<FunctionId>,
    /// How it ended.
    pub ended: Ended,
    /// The observed function and line where it ended: the handler, or the outermost function it
    /// left. `None` where it ended outside observed code.
    pub end: Option<(FunctionId, u32)>,
}

/// Where an error was raised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorSite {
    /// The function if it is observed.
    pub function: Option<FunctionId>,
    /// Its qualified name, also where it is not observed.
    pub name: Name,
    /// Source file, relative to its import root.
    pub file: Name,
    /// Line, 1-based.
    pub line: u32,
}

/// How an error ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ended {
    /// It left the outermost observed function.
    Escaped = 0,
    /// A caller caught it, and the handling is visible in what that caller did: it raised another
    /// error, or the handler's function left by an error.
    Handled = 1,
    /// It was caught and dropped: where it was raised, or by a caller that then returned normally.
    Swallowed = 2,
}

impl Ended {
    /// The end with this number.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Handled,
            2 => Self::Swallowed,
            _ => Self::Escaped,
        }
    }

    /// Name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Escaped => "escaped",
            Self::Handled => "handled",
            Self::Swallowed => "swallowed",
        }
    }
}

/// Counts come from processes that may lie; a sum that cannot be held stays at the highest number,
/// which keeps merging associative and commutative.
fn add(sum: &mut u64, n: u64) {
    *sum = sum.saturating_add(n);
}

fn merge_slot<K: Ord, V>(slot: Slot<'_, K, V>, value: V, merge: fn(&mut V, V)) {
    match slot {
        Slot::Vacant(slot) => {
            slot.insert(value);
        }
        Slot::Occupied(mut slot) => merge(slot.get_mut(), value),
    }
}

fn merge_weighted<K: Ord>(into: &mut BTreeMap<K, Weighted>, from: BTreeMap<K, Weighted>) {
    for (key, count) in from {
        into.entry(key).or_default().merge(count);
    }
}
