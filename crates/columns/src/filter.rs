//! What a reader asks for.

use std::ops::{BitOr, BitOrAssign};

use forksight_model::function::FunctionId;
use forksight_wire::window::Window;

/// What to fold: which functions, which families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only these functions; `None` for all. Errors are kept where the origin, the end or a
    /// function passed through is among them, entry samples (whole) where one of their functions
    /// is; entries and shed detail belong to no function and are not affected.
    pub functions: Option<FunctionSet>,
    /// Only these families.
    pub families: Families,
}

impl Default for Filter {
    /// Everything.
    fn default() -> Self {
        Self { functions: None, families: Families::ALL }
    }
}

impl Filter {
    /// These families of all functions.
    pub fn families(families: Families) -> Self {
        Self { functions: None, families }
    }

    /// Restricts the filter to `functions`.
    pub fn of(self, functions: impl IntoIterator<Item = FunctionId>) -> Self {
        Self { functions: Some(functions.into_iter().collect()), ..self }
    }

    /// Whether rows about `id` are asked for.
    pub fn wants(&self, id: FunctionId) -> bool {
        self.functions.as_ref().is_none_or(|set| set.contains(id))
    }
}

/// A set of column families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Families(u16);

impl Families {
    /// No family.
    pub const NONE: Self = Self(0);
    /// Calls, errors, observed calls and their durations' sum, of each function.
    pub const FUNCTIONS: Self = Self(1);
    /// Latency sketches, where a family that has them is asked for too.
    pub const LATENCY: Self = Self(1 << 1);
    /// Outcomes.
    pub const OUTCOMES: Self = Self(1 << 2);
    /// Paths.
    pub const PATHS: Self = Self(1 << 3);
    /// Exits by error, and cancellations.
    pub const EXITS: Self = Self(1 << 4);
    /// Error flows.
    pub const ERRORS: Self = Self(1 << 5);
    /// Shapes.
    pub const SHAPES: Self = Self(1 << 6);
    /// Callers.
    pub const CALLERS: Self = Self(1 << 7);
    /// Entries.
    pub const ENTRIES: Self = Self(1 << 8);
    /// Call samples.
    pub const CALL_SAMPLES: Self = Self(1 << 9);
    /// Entry samples.
    pub const ENTRY_SAMPLES: Self = Self(1 << 10);
    /// Shed detail.
    pub const SHED: Self = Self(1 << 11);
    /// Every family.
    pub const ALL: Self = Self((1 << 12) - 1);

    /// Whether every family of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The families of either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// A copy of `window` with only the columns that these families need.
    pub fn of(self, window: &Window) -> Window {
        fn copy<T: Clone>(wanted: bool, columns: &Option<T>) -> Option<T> {
            columns.as_ref().filter(|_| wanted).cloned()
        }
        Window {
            seq: window.seq,
            start_ms: window.start_ms,
            duration_ms: window.duration_ms,
            strings: window.strings.clone(),
            functions: copy(self.contains(Self::FUNCTIONS), &window.functions),
            outcomes: copy(self.contains(Self::OUTCOMES), &window.outcomes),
            paths: copy(self.contains(Self::PATHS), &window.paths),
            exits: copy(self.contains(Self::EXITS), &window.exits),
            errors: copy(self.contains(Self::ERRORS), &window.errors),
            shapes: copy(self.contains(Self::SHAPES), &window.shapes),
            edges: copy(self.contains(Self::CALLERS), &window.edges),
            entries: copy(self.contains(Self::ENTRIES), &window.entries),
            call_samples: copy(self.contains(Self::CALL_SAMPLES), &window.call_samples),
            entry_samples: copy(self.contains(Self::ENTRY_SAMPLES), &window.entry_samples),
            shed: copy(self.contains(Self::SHED), &window.shed),
        }
    }

    /// The families of `self` that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Families {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Families {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

/// A set of functions as bits, which suits the dense numbers of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionSet {
    words: Vec<u64>,
}

impl FunctionSet {
    /// Whether `id` is in it.
    pub fn contains(&self, id: FunctionId) -> bool {
        self.words.get(id.0 as usize / 64).is_some_and(|word| word >> (id.0 % 64) & 1 == 1)
    }

    /// Puts `id` in. Memory grows with the largest number (up to 512 MiB): pass numbers that a
    /// store has given, not ones from outside.
    pub fn insert(&mut self, id: FunctionId) {
        let word = id.0 as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id.0 % 64);
    }

    /// Whether a function from `first` to `last` is in it.
    pub fn meets(&self, first: u32, last: u32) -> bool {
        let (from, to) = (first as usize / 64, last as usize / 64);
        let words = self.words.iter().enumerate().skip(from).take(to.saturating_sub(from) + 1);
        words.into_iter().any(|(at, word)| {
            let low = if at == from { u64::MAX << (first % 64) } else { u64::MAX };
            let high = if at == to { u64::MAX >> (63 - last % 64) } else { u64::MAX };
            word & low & high != 0
        })
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }
}

impl FromIterator<FunctionId> for FunctionSet {
    fn from_iter<I: IntoIterator<Item = FunctionId>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}
