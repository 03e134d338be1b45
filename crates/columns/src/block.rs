//! The bytes of a window in a store.
//!
//! | bytes | meaning |
//! | --- | --- |
//! | 1 | format version |
//! | 4 | length of the protobuf message, little-endian |
//! | 4 | xxHash32 (seed 0) of the rest, little-endian, since no layer below would notice a flipped bit |
//! | rest | the protobuf [`Window`], compressed as one lz4 block |

use std::fmt;

use forksight_wire::window::{Malformed, Window};
use prost::Message;
use twox_hash::XxHash32;

use crate::Families;

/// The format that [`pack`] writes.
pub const VERSION: u8 = 1;

/// The most bytes a block may hold when decompressed. Windows arrive with at most 4 MiB; a roll-up
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
    /// It announces more than [`MAX_BYTES`].
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
    let message = window.encode_to_vec();
    let packed = lz4_flex::block::compress(&message);
    let mut block = Vec::with_capacity(9 + packed.len());
    block.push(VERSION);
    block.extend_from_slice(&(message.len() as u32).to_le_bytes());
    block.extend_from_slice(&XxHash32::oneshot(0, &packed).to_le_bytes());
    block.extend_from_slice(&packed);
    block
}

/// The window in `block`, checked.
///
/// # Errors
///
/// [`Error`] where it is not a sound block.
pub fn unpack(block: &[u8]) -> Result<Window, Error> {
    let window = Window::decode(&inflate(block)?[..]).map_err(|_| Error::Damaged)?;
    window.check()?;
    Ok(window)
}

/// The window in `block`, checked, with only the columns that `families` need; the others are
/// skipped unread.
///
/// # Errors
///
/// [`Error`] where it is not a sound block.
pub fn unpack_families(block: &[u8], families: Families) -> Result<Window, Error> {
    let message = inflate(block)?;
    let mut wanted = Vec::with_capacity(message.len());
    let mut rest = &message[..];
    while !rest.is_empty() {
        let field = rest;
        let key = varint(&mut rest)?;
        let len = match key & 7 {
            0 => {
                varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => varint(&mut rest)? as usize,
            5 => 4,
            _ => return Err(Error::Damaged),
        };
        rest = rest.get(len..).ok_or(Error::Damaged)?;
        if is_needed(key >> 3, families) {
            wanted.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    let window = Window::decode(&wanted[..]).map_err(|_| Error::Damaged)?;
    window.check()?;
    Ok(window)
}

/// Whether the field of [`Window`] with this tag is needed for `families`.
fn is_needed(tag: u64, families: Families) -> bool {
    let family = match tag {
        5 => Families::FUNCTIONS,
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
        4 => return families.without(WITHOUT_STRINGS) != Families::NONE,
        _ => return true,
    };
    families.contains(family)
}

/// The families that use no string.
const WITHOUT_STRINGS: Families =
    Families::FUNCTIONS.union(Families::LATENCY).union(Families::OUTCOMES).union(Families::CALLERS);

fn inflate(block: &[u8]) -> Result<Vec<u8>, Error> {
    let (version, rest) = block.split_first().ok_or(Error::Damaged)?;
    if *version != VERSION {
        return Err(if *version > VERSION {
            Error::Newer { version: *version }
        } else {
            Error::Damaged
        });
    }
    let (len, rest) = rest.split_first_chunk().ok_or(Error::Damaged)?;
    let (hash, packed) = rest.split_first_chunk().ok_or(Error::Damaged)?;
    if XxHash32::oneshot(0, packed) != u32::from_le_bytes(*hash) {
        return Err(Error::Damaged);
    }
    let len = u32::from_le_bytes(*len) as usize;
    // lz4 cannot expand more than 255 times, so a longer claim is a lie.
    if len > MAX_BYTES || len > packed.len().saturating_mul(255) {
        return Err(Error::TooLong { announced: len });
    }
    let mut message = vec![0; len];
    match lz4_flex::block::decompress_into(packed, &mut message) {
        Ok(written) if written == len => Ok(message),
        _ => Err(Error::Damaged),
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Error::Damaged)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Damaged)
}
