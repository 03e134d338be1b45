//! What the runtime hooks record: fixed-size, copied into the ring, nothing to free.
//!
//! Names (type names, entry names, files) are numbers given by the name table; 0 is no name.

use forksight_model::shape::Class;

/// Words of an edge set: 256 edges, 128 sites. Sites beyond that are recorded as [`CUT`].
pub const EDGE_WORDS: usize = 4;

/// Arguments whose shape is recorded.
pub const MAX_ARGUMENTS: usize = 8;

/// Functions of an error's way that are recorded.
pub const MAX_THROUGH: usize = 8;

/// The call was selected by geometric skip (or every call is observed): it may feed rates.
pub const UNIFORM: u8 = 1;
/// The function has more sites than an edge set holds.
pub const CUT: u8 = 2;
/// Recording of the call stopped at its event cap; counts of its outcomes are lower bounds.
pub const TRUNCATED: u8 = 4;
/// The call belongs to an entry whose paths are all recorded.
pub const ENTRY: u8 = 8;

/// One thing that was recorded.
#[derive(Clone, Copy, Debug)]
pub enum Record {
    /// An observed call ended.
    Call(CallRecord),
    /// A call, observed or not, left by an error or was cancelled.
    Exit(ExitRecord),
    /// An error ended.
    Error(ErrorRecord),
    /// An entry ended.
    Entry(EntryRecord),
}

/// The class of one value, and the number of its type's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawShape {
    /// Kind and detail.
    pub class: Class,
    /// Name number of the type, 0 where the class says it all.
    pub type_name: u32,
}

/// An observed call.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallRecord {
    /// Function number, from 1.
    pub function: u32,
    /// Calls it stands for when [`UNIFORM`]; 0 when recorded only because of its entry.
    pub weight: u32,
    /// Edges taken, bit `2·site` for falling through and `2·site + 1` for jumping.
    pub edges: [u64; EDGE_WORDS],
    /// From begin to end, in nanoseconds.
    pub duration_ns: u64,
    /// How it ended, as in `forksight_wire::window::EXIT_*`.
    pub exit: u8,
    /// [`UNIFORM`], [`CUT`], [`TRUNCATED`], [`ENTRY`].
    pub flags: u8,
    /// How many of `arguments` were looked at.
    pub argument_count: u8,
    /// Name number of the error's type.
    pub error_type: u32,
    /// Line the error left by.
    pub line: u32,
    /// Shapes of the arguments.
    pub arguments: [RawShape; MAX_ARGUMENTS],
    /// Shape of the return value.
    pub returned: RawShape,
    /// Nearest observed caller, 0 for none.
    pub caller: u32,
    /// Number of the running entry, unique in the process; 0 for none.
    pub entry: u64,
    /// Name number of that entry's name, 0 while it is not known yet.
    pub entry_name: u32,
    /// Kind of that entry.
    pub entry_kind: u8,
}

/// A call that did not return normally.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExitRecord {
    /// Function number.
    pub function: u32,
    /// `EXIT_RAISED` or `EXIT_CANCELLED`.
    pub exit: u8,
    /// Name number of the error's type.
    pub error_type: u32,
    /// Line it left by.
    pub line: u32,
}

/// The way of an error that ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorRecord {
    /// Name number of the error's type.
    pub error_type: u32,
    /// Function where it was raised, 0 if that is not observed.
    pub origin_function: u32,
    /// Name number of that function's qualified name.
    pub origin_name: u32,
    /// Name number of its file.
    pub origin_file: u32,
    /// Line where it was raised.
    pub origin_line: u32,
    /// Observed functions it left, from the origin outwards.
    pub through: [u32; MAX_THROUGH],
    /// How many of them.
    pub through_count: u8,
    /// `forksight_model::aggregate::Ended` code.
    pub ended: u8,
    /// Function where it ended, 0 for none.
    pub end_function: u32,
    /// Line where it ended.
    pub end_line: u32,
}

/// An entry that ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryRecord {
    /// Its number, unique in the process.
    pub entry: u64,
    /// `forksight_model::sample::EntryKind` code.
    pub kind: u8,
    /// First digit of the HTTP status, 0 for none.
    pub status_class: u8,
    /// Whether all paths seen during it were recorded (their records carry its number).
    pub sampled: bool,
    /// Entries it stands for when sampled.
    pub weight: u32,
    /// Name number of its name.
    pub name: u32,
    /// Name number of the type of the error that left the application's code, 0 for none.
    pub error_type: u32,
    /// From start to end, in nanoseconds.
    pub duration_ns: u64,
    /// Trace id of an active tracer, 0 for none.
    pub trace_id: u128,
}
