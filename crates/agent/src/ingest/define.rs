//! Function definitions: decoded piece by piece, and kept by connection.

use std::collections::HashMap;

use forksight_columns::definition;
use forksight_model::function::{Function, FunctionId};
use forksight_wire::message::FunctionDef;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The most functions of one connection.
const MAX_FUNCTIONS: usize = 1 << 19;
/// The most functions of all connections together.
const MAX_ALL: usize = 1 << 22;
/// The longest definition of one function, encoded.
const MAX_ENCODED: usize = 512 << 10;
/// The size of a chunk, in encoded bytes and in functions.
const CHUNK_BYTES: usize = 512 << 10;
const CHUNK_FUNCTIONS: usize = 1024;

/// What the function numbers of a connection mean.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    numbers: HashMap<u32, u32>,
}

impl Definitions {
    /// The store's number for the connection's `wire`.
    pub(super) fn number(&self, wire: u32) -> Option<u32> {
        self.numbers.get(&wire).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether a number that is known would mean another function.
    pub(super) fn would_change(&self, numbers: &[u32], ids: &[FunctionId]) -> bool {
        numbers.iter().zip(ids).any(|(wire, id)| self.number(*wire).is_some_and(|old| old != id.0))
    }

    /// Takes in definitions, while all connections together have `all`; gives back how many there
    /// was no room for.
    pub(super) fn insert(&mut self, numbers: &[u32], ids: &[FunctionId], mut all: usize) -> u64 {
        let mut refused = 0;
        for (wire, id) in numbers.iter().zip(ids) {
            let is_new = !self.numbers.contains_key(wire);
            if is_new && (self.numbers.len() >= MAX_FUNCTIONS || all >= MAX_ALL) {
                refused += 1;
                continue;
            }
            all += usize::from(is_new);
            self.numbers.insert(*wire, id.0);
        }
        refused
    }
}

/// Some functions of a [`Define`](forksight_wire::message::Define), with their numbers.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) numbers: Vec<u32>,
    pub(super) functions: Vec<Function>,
}

/// The functions of an encoded [`Define`](forksight_wire::message::Define), a bounded number at a
/// time: decoded as a whole it could take a hundred times its size.
#[derive(Debug)]
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
    /// How many functions were left out so far.
    pub(super) refused: u64,
    /// Whether the message does not decode; then nothing more comes.
    pub(super) broken: bool,
}

/// The functions in `payload`.
pub(super) fn chunks(payload: &[u8]) -> Chunks<'_> {
    Chunks { rest: payload, refused: 0, broken: false }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        let before = self.rest.len();
        while !self.rest.is_empty()
            && chunk.functions.len() < CHUNK_FUNCTIONS
            && before - self.rest.len() < CHUNK_BYTES
        {
            let Some(definition) = self.definition() else {
                self.broken = true;
                self.rest = &[];
                break;
            };
            let definition = match definition {
                Field::Function(bytes) if bytes.len() <= MAX_ENCODED => {
                    match FunctionDef::decode(bytes) {
                        Ok(definition) => definition,
                        Err(_) => {
                            self.broken = true;
                            self.rest = &[];
                            break;
                        }
                    }
                }
                Field::Function(_) => {
                    self.refused += 1;
                    continue;
                }
                Field::Other => continue,
            };
            match definition::from_wire(&definition) {
                Ok(function) => {
                    chunk.numbers.push(definition.id);
                    chunk.functions.push(function);
                }
                Err(_) => self.refused += 1,
            }
        }
        (!chunk.functions.is_empty() || !self.rest.is_empty()).then_some(chunk)
    }
}

/// A field of the message.
enum Field<'a> {
    Function(&'a [u8]),
    Other,
}

impl<'a> Chunks<'a> {
    /// The next field; `None` where there is none.
    fn definition(&mut self) -> Option<Field<'a>> {
        let (tag, wire_type) = decode_key(&mut self.rest).ok()?;
        if (tag, wire_type) != (1, WireType::LengthDelimited) {
            skip_field(wire_type, tag, &mut self.rest, DecodeContext::default()).ok()?;
            return Some(Field::Other);
        }
        let len = usize::try_from(decode_varint(&mut self.rest).ok()?).ok()?;
        let (definition, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Field::Function(definition))
    }
}
