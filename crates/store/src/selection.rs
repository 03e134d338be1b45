//! Which part of a store to read, and how to group it.

use std::collections::BTreeSet;

use forksight_columns::{Families, Filter};
use forksight_model::Name;
use forksight_model::aggregate::Aggregate;
use forksight_model::function::FunctionId;

/// Which windows, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Of this service.
    pub service: Name,
    /// Of this version; `None` for all.
    pub version: Option<Name>,
    /// Of these instances; `None` for all. Blocks in which instances are merged
    /// ([`Level::merges_instances`]) belong to none and are left out when this is set.
    pub instances: Option<BTreeSet<Name>>,
    /// That began at this time or later, in milliseconds since 1970.
    pub from_ms: u64,
    /// That began before this time; `u64::MAX` for no limit.
    pub to_ms: u64,
    /// Which families, and which functions.
    pub filter: Filter,
}

impl Selection {
    /// Everything of a service.
    pub fn service(service: impl Into<Name>) -> Self {
        Self {
            service: service.into(),
            version: None,
            instances: None,
            from_ms: 0,
            to_ms: u64::MAX,
            filter: Filter::default(),
        }
    }

    /// Only this version.
    pub fn version(self, version: impl Into<Name>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// Only these instances.
    pub fn instances(self, instances: impl IntoIterator<Item = Name>) -> Self {
        Self { instances: Some(instances.into_iter().collect()), ..self }
    }

    /// Only windows that began from `from_ms` on and before `to_ms`.
    pub fn between(self, from_ms: u64, to_ms: u64) -> Self {
        Self { from_ms, to_ms, ..self }
    }

    /// Only these families.
    pub fn families(mut self, families: Families) -> Self {
        self.filter.families = families;
        self
    }

    /// Only these functions.
    pub fn functions(mut self, functions: impl IntoIterator<Item = FunctionId>) -> Self {
        self.filter = self.filter.of(functions);
        self
    }
}

/// How coarse a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// A window as it arrived (10 s by default).
    Window = 0,
    /// One minute of one instance.
    Minute = 1,
    /// Ten minutes of one instance.
    TenMinutes = 2,
    /// One hour of all instances.
    Hour = 3,
    /// One day of all instances.
    Day = 4,
}

impl Level {
    /// Every level, finest first.
    pub const ALL: [Self; 5] =
        [Self::Window, Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// How long a block of this level is, in milliseconds; 0 for windows, whose length varies.
    pub fn length_ms(self) -> u64 {
        match self {
            Self::Window => 0,
            Self::Minute => 60_000,
            Self::TenMinutes => 600_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Whether a block of this level holds all instances together.
    pub fn merges_instances(self) -> bool {
        self >= Self::Hour
    }

    /// The next coarser level.
    pub fn coarser(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }
}

/// What is known of a block besides its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// How coarse it is.
    pub level: Level,
    /// The version it was observed in.
    pub version: Name,
    /// The instance it was observed in; `None` where instances are merged.
    pub instance: Option<Name>,
    /// When it begins, in milliseconds since 1970.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
    /// How many windows were folded into it.
    pub windows: u64,
}

/// How to group what is merged; the default is one group for each version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// One group for each version.
    pub version: bool,
    /// One group for each instance; blocks in which instances are merged form a group without
    /// one.
    pub instance: bool,
    /// One group for each step of this many milliseconds, beginning at its multiples; 0 for all
    /// time together. A block belongs to the step in which it begins.
    pub step_ms: u64,
}

impl Default for Grouping {
    fn default() -> Self {
        Self::VERSION
    }
}

impl Grouping {
    /// Everything together.
    pub const NONE: Self = Self { version: false, instance: false, step_ms: 0 };
    /// By version.
    pub const VERSION: Self = Self { version: true, instance: false, step_ms: 0 };
    /// By version and instance.
    pub const INSTANCE: Self = Self { version: true, instance: true, step_ms: 0 };

    /// Grouped by steps of time as well.
    pub const fn step(self, step_ms: u64) -> Self {
        Self { step_ms, ..self }
    }

    /// The group that `block` belongs to.
    pub fn key(self, block: &BlockInfo) -> GroupKey {
        GroupKey {
            version: self.version.then(|| block.version.clone()),
            instance: if self.instance { block.instance.clone() } else { None },
            step_start_ms: (self.step_ms > 0)
                .then(|| block.start_ms - block.start_ms % self.step_ms),
        }
    }
}

/// What tells one group from another; what was not grouped by is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The version.
    pub version: Option<Name>,
    /// The instance; `None` also for blocks in which instances are merged.
    pub instance: Option<Name>,
    /// Where the step begins, in milliseconds since 1970.
    pub step_start_ms: Option<u64>,
}

/// Everything of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What tells it from the others.
    pub key: GroupKey,
    /// When its first block begins, in milliseconds since 1970.
    pub from_ms: u64,
    /// When its last block ends.
    pub to_ms: u64,
    /// How many windows were folded into it.
    pub windows: u64,
    /// What was observed.
    pub aggregate: Aggregate,
}
