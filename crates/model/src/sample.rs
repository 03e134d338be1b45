//! Single observed calls and entries.

use crate::Name;
use crate::function::FunctionId;
use crate::path::Path;
use crate::shape::Shape;

/// Why a call or entry was recorded in full.
///
/// The streams are never mixed: only [`Uniform`](Self::Uniform) may feed a rate.
/// The numbers are part of the wire and block formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stream {
    /// Selected by geometric skip, independent of what the call did.
    #[default]
    Uniform = 0,
    /// Selected because it erred, was slow or took a rare path: attribution only.
    Stratified = 1,
    /// First of its kind: shown as an example, never counted.
    Exemplar = 2,
}

impl Stream {
    /// The stream with this number; unknown ones count as exemplars, which feed no number.
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Uniform,
            1 => Self::Stratified,
            _ => Self::Exemplar,
        }
    }
}

/// What started a piece of work.
///
/// The numbers are part of the wire and block formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EntryKind {
    /// Not known.
    #[default]
    Unknown = 0,
    /// An HTTP request; the name is method and route template.
    Http = 1,
    /// A script or module run as the main program.
    Script = 2,
    /// The root call of a thread.
    Thread = 3,
    /// An asyncio task that belongs to no other entry.
    Task = 4,
    /// A queue message.
    Message = 5,
    /// A command of a command-line program.
    Command = 6,
    /// A test.
    Test = 7,
}

impl EntryKind {
    /// The kind with this number.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Http,
            2 => Self::Script,
            3 => Self::Thread,
            4 => Self::Task,
            5 => Self::Message,
            6 => Self::Command,
            7 => Self::Test,
            _ => Self::Unknown,
        }
    }

    /// Name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Http => "http",
            Self::Script => "script",
            Self::Thread => "thread",
            Self::Task => "task",
            Self::Message => "message",
            Self::Command => "command",
            Self::Test => "test",
        }
    }
}

/// The outermost unit of work: `POST /checkout`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// What started it.
    pub kind: EntryKind,
    /// Method and route template, script, thread target, …: a name of code, never a URL.
    pub name: Name,
}

/// One observed call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallSample {
    /// The function called.
    pub function: FunctionId,
    /// Why it was recorded.
    pub stream: Stream,
    /// How many calls it stands for: one over its probability of being selected. It is 1 where
    /// every call was recorded, and means nothing outside [`Stream::Uniform`].
    pub weight: u32,
    /// What it did, and how it ended.
    pub path: Path,
    /// From call to exit, in nanoseconds; suspended time included.
    pub duration_ns: u64,
    /// Shapes of the arguments in order, at most eight.
    pub arguments: Vec<Shape>,
    /// Shape of the return value; unknown where it did not return.
    pub returned: Shape,
    /// The nearest observed function that called it.
    pub caller: Option<FunctionId>,
    /// The entry it was part of.
    pub entry: Option<Entry>,
}

/// How an entry ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryExit {
    /// Type of the error that left the application's code, if one did.
    pub error_type: Option<Name>,
    /// First digit of the HTTP status, 0 where there is none.
    pub status_class: u8,
}

impl EntryExit {
    /// Whether the entry failed: by its status where it has one, else by an escaped error.
    pub fn is_failure(&self) -> bool {
        match self.status_class {
            0 => self.error_type.is_some(),
            class => class == 5,
        }
    }
}

/// One observed entry with everything seen during it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntrySample {
    /// What it was.
    pub entry: Entry,
    /// Why it was recorded.
    pub stream: Stream,
    /// How many entries it stands for.
    pub weight: u32,
    /// How it ended.
    pub exit: EntryExit,
    /// From start to end, in nanoseconds.
    pub duration_ns: u64,
    /// The distinct (function, path) pairs seen during it, at most 256.
    pub paths: Vec<(FunctionId, Path)>,
    /// Whether there were more pairs than were kept.
    pub cut: bool,
    /// Trace id where a tracer was active, else zero.
    pub trace_id: u128,
}
