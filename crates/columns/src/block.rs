//! The bytes of a window in a store.
//!
//! A block is one byte of format version, then sections, each packed by itself, so that a reader
//! unpacks only what it needs:
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 1 | what is in it: the tag in [`Window`] of its columns, 0 for the header, 16 for the latency sketches of functions |
//! | 4 | the lowest function number whose rows are in it, little-endian as all that follow; 0 where its rows are not each about one function |
//! | 4 | the highest one; `u32::MAX` there |
//! | 4 | length of its message |
//! | 4 | length of the packed message |
//! | 4 | xxHash32 of the packed message, seeded with `kind << 24 ^ lowest ^ rotl(highest, 8) ^ rotl(length, 16)`: no layer below would notice a flipped bit |
//! | … | the message, compressed as one lz4 block |
//!
//! Each message is a protobuf [`Window`] in which only those columns are set; merged they are the
//! window. A family has a section for every 256 of its rows, so that a reader of few functions
//! unpacks few of them. Sections of unknown kind are skipped. Header, functions and their latency come first:
//! they are the *head*, which a store keeps apart, because most questions need nothing else.

use std::fmt;

use forksight_wire::window::{Functions, Malformed, Sketches, Window};
use prost::Message;
use twox_hash::XxHash32;

use crate::chunk::{Latency, Rows};
use crate::{Families, Filter};

/// The format that [`pack`] writes.
pub const VERSION: u8 = 1;

/// The most bytes a section may hold when decompressed. Windows arrive with at most 4 MiB; a roll-up
/// folds many of them.
pub const MAX_BYTES: usize = 256 << 20;

/// Why a block cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It was written in a format this version does not know: upgrade.
    Newer {
        /// The format found.
        version: u8,
    },
    /// It is not a block, or it was damaged.
    Damaged,
    /// A section announces more than [`MAX_BYTES`].
    TooLong {
        /// The announced length in bytes.
        announced: usize,
    },
    /// Its columns do not fit together.
    Malformed(Malformed),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version } => {
                write!(f, "block format {version} is newer than this program knows; upgrade it")
            }
            Self::Damaged => f.write_str("block is damaged"),
            Self::TooLong { announced } => {
                write!(f, "block of {announced} bytes is over the limit of {MAX_BYTES} bytes")
            }
            Self::Malformed(malformed) => malformed.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// `window` as a block.
pub fn pack(window: &Window) -> Vec<u8> {
    let mut writer = Writer { block: vec![VERSION], message: Vec::new() };
    let Window { seq, start_ms, duration_ms, .. } = *window;
    writer.whole(HEADER, &Window { seq, start_ms, duration_ms, ..Window::default() });
    writer.rows(FUNCTIONS, window.functions.as_ref(), |part| Window {
        functions: Some(part),
        ..Window::default()
    });
    let latency = window.functions.as_ref().map(|functions| Latency { functions, latency: None });
    writer.rows(LATENCY, latency.as_ref(), |part| {
        let functions = Functions { latency: part.latency, ..Functions::default() };
        Window { functions: Some(functions), ..Window::default() }
    });
    writer.whole(STRINGS, &Window { strings: window.strings.clone(), ..Window::default() });
    macro_rules! rows {
        ($tag:literal, $family:ident) => {
            writer.rows($tag, window.$family.as_ref(), |part| Window {
                $family: Some(part),
                ..Window::default()
            });
        };
    }
    macro_rules! whole {
        ($tag:literal, $family:ident) => {
            let $family = window.$family.clone();
            writer.whole($tag, &Window { $family, ..Window::default() });
        };
    }
    rows!(6, outcomes);
    rows!(7, paths);
    rows!(8, exits);
    whole!(9, errors);
    rows!(10, shapes);
    rows!(11, edges);
    whole!(12, entries);
    rows!(13, call_samples);
    whole!(14, entry_samples);
    whole!(15, shed);
    writer.block
}

struct Writer {
    block: Vec<u8>,
    message: Vec<u8>,
}

impl Writer {
    fn whole(&mut self, kind: u8, part: &Window) {
        self.section(kind, WHOLE, part);
    }

    fn rows<R: Rows>(&mut self, kind: u8, rows: Option<&R>, window: impl Fn(R) -> Window) {
        for (first, last, part) in rows.into_iter().flat_map(Rows::chunks) {
            self.section(kind, (first, last), &window(part));
        }
    }

    fn section(&mut self, kind: u8, (first, last): (u32, u32), part: &Window) {
        self.message.clear();
        // Encoding into a growing vector cannot run out of room.
        let _ = part.encode(&mut self.message);
        if self.message.is_empty() {
            return;
        }
        let packed = lz4_flex::block::compress(&self.message);
        let len = self.message.len() as u32;
        self.block.push(kind);
        let hash = XxHash32::oneshot(seed(kind, first, last, len), &packed);
        for word in [first, last, len, packed.len() as u32, hash] {
            self.block.extend_from_slice(&word.to_le_bytes());
        }
        self.block.extend_from_slice(&packed);
    }
}

/// How many bytes of `block` are its head. The head is a block of its own; what follows it is
/// read with [`unpack_parts`].
///
/// # Errors
///
/// [`Error`] where it is not a sound block.
pub fn head_len(block: &[u8]) -> Result<usize, Error> {
    let mut rest = sections(block)?;
    loop {
        let before = rest.len();
        if rest.is_empty() || Section::take(&mut rest)?.is_detail() {
            return Ok(block.len() - before);
        }
    }
}

/// Whether the head of a block is all that is needed for `families`.
pub fn head_is_enough(families: Families) -> bool {
    (Families::FUNCTIONS | Families::LATENCY).contains(families)
}

/// The window in `block`, checked.
///
/// # Errors
///
/// [`Error`] where it is not a sound block.
pub fn unpack(block: &[u8]) -> Result<Window, Error> {
    unpack_parts(block, &[], &Filter::default())
}

/// The window in `block`, checked, with only the columns that `families` need; the others are
/// left packed.
///
/// # Errors
///
/// [`Error`] where it is not a sound block.
pub fn unpack_families(block: &[u8], families: Families) -> Result<Window, Error> {
    unpack_parts(block, &[], &Filter::families(families))
}

/// The window in a block that was cut in two after its [head](head_len), checked, with only the
/// columns that `filter` needs; rows of functions that it does not ask for may be present.
///
/// # Errors
///
/// [`Error`] where the parts are not a sound block.
pub fn unpack_parts(head: &[u8], detail: &[u8], filter: &Filter) -> Result<Window, Error> {
    let mut window = Window::default();
    let mut message = Vec::new();
    for mut rest in [sections(head)?, detail] {
        while !rest.is_empty() {
            let section = Section::take(&mut rest)?;
            if section.is_needed(filter) {
                section.unpack(&mut message)?;
                window.merge(&message[..]).map_err(|_| Error::Damaged)?;
            }
        }
    }
    if let Some(functions) = &mut window.functions
        && !filter.families.contains(Families::LATENCY)
    {
        // Functions without their sketches are well-formed only with empty ones.
        let len = vec![0; functions.function.len()];
        functions.latency = Some(Sketches { len, ..Sketches::default() });
    }
    window.check()?;
    Ok(window)
}

/// What follows the version byte.
fn sections(block: &[u8]) -> Result<&[u8], Error> {
    match block.split_first() {
        Some((&VERSION, sections)) => Ok(sections),
        Some((&version, _)) if version > VERSION => Err(Error::Newer { version }),
        _ => Err(Error::Damaged),
    }
}

/// The function numbers of a section whose rows are not each about one function.
const WHOLE: (u32, u32) = (0, u32::MAX);

const HEADER: u8 = 0;
const STRINGS: u8 = 4;
const FUNCTIONS: u8 = 5;
const LATENCY: u8 = 16;

/// Whether a section is needed for `families`.
fn is_needed(kind: u8, families: Families) -> bool {
    let family = match kind {
        HEADER => return true,
        STRINGS => return families.without(WITHOUT_STRINGS) != Families::NONE,
        FUNCTIONS => Families::FUNCTIONS,
        6 => Families::OUTCOMES,
        7 => Families::PATHS,
        8 => Families::EXITS,
        9 => Families::ERRORS,
        10 => Families::SHAPES,
        11 => Families::CALLERS,
        12 => Families::ENTRIES,
        13 => Families::CALL_SAMPLES,
        14 => Families::ENTRY_SAMPLES,
        15 => Families::SHED,
        LATENCY => Families::FUNCTIONS | Families::LATENCY,
        _ => return false,
    };
    families.contains(family)
}

/// The families that use no string.
const WITHOUT_STRINGS: Families =
    Families::FUNCTIONS.union(Families::LATENCY).union(Families::OUTCOMES).union(Families::CALLERS);

struct Section<'a> {
    kind: u8,
    first: u32,
    last: u32,
    len: u32,
    packed: &'a [u8],
}

impl<'a> Section<'a> {
    /// The first section of `rest`, which moves on to the next.
    fn take(rest: &mut &'a [u8]) -> Result<Self, Error> {
        let ([kind, head @ ..], tail) = rest.split_first_chunk::<21>().ok_or(Error::Damaged)?;
        let word = |at: usize| {
            let bytes = [head[4 * at], head[4 * at + 1], head[4 * at + 2], head[4 * at + 3]];
            u32::from_le_bytes(bytes)
        };
        let (packed, tail) = tail.split_at_checked(word(3) as usize).ok_or(Error::Damaged)?;
        *rest = tail;
        let section = Self { kind: *kind, first: word(0), last: word(1), len: word(2), packed };
        let seed = seed(section.kind, section.first, section.last, section.len);
        if XxHash32::oneshot(seed, packed) != word(4) {
            return Err(Error::Damaged);
        }
        Ok(section)
    }

    fn is_detail(&self) -> bool {
        !matches!(self.kind, HEADER | FUNCTIONS | LATENCY)
    }

    fn is_needed(&self, filter: &Filter) -> bool {
        let functions = filter.functions.as_ref().filter(|_| (self.first, self.last) != WHOLE);
        is_needed(self.kind, filter.families)
            && functions.is_none_or(|set| set.meets(self.first, self.last))
    }

    /// Writes the message to `message`.
    fn unpack(&self, message: &mut Vec<u8>) -> Result<(), Error> {
        let len = self.len as usize;
        // lz4 cannot expand more than 255 times, so a longer claim is a lie.
        if len > MAX_BYTES || len > self.packed.len().saturating_mul(255) {
            return Err(Error::TooLong { announced: len });
        }
        message.clear();
        message.resize(len, 0);
        match lz4_flex::block::decompress_into(self.packed, message) {
            Ok(written) if written == len => Ok(()),
            _ => Err(Error::Damaged),
        }
    }
}

/// Makes the hash of a section cover its head as well.
fn seed(kind: u8, first: u32, last: u32, len: u32) -> u32 {
    u32::from(kind).rotate_left(24) ^ first ^ last.rotate_left(8) ^ len.rotate_left(16)
}
