//! Framing: `u32` little-endian payload length, `u8` type, `u8` flags (0), payload.

use std::fmt;

/// The longest payload that is accepted, in bytes.
pub const MAX_PAYLOAD: usize = 4 << 20;

/// Bytes before the payload.
pub const HEADER: usize = 6;

/// The type of a frame.
///
/// The numbers are part of the protocol: never reuse one. Frames of unknown type are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// [`Hello`](crate::message::Hello).
    Hello = 1,
    /// [`Welcome`](crate::message::Welcome).
    Welcome = 2,
    /// [`Reject`](crate::message::Reject).
    Reject = 3,
    /// [`Define`](crate::message::Define).
    Define = 4,
    /// [`Window`](crate::window::Window).
    Window = 5,
    /// [`Ack`](crate::message::Ack).
    Ack = 6,
    /// [`Config`](crate::message::Config).
    Config = 7,
    /// [`Status`](crate::message::Status).
    Status = 8,
    /// [`Bye`](crate::message::Bye).
    Bye = 9,
}

impl Type {
    /// The type with this number; `None` for one that is not known here.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Reject,
            4 => Self::Define,
            5 => Self::Window,
            6 => Self::Ack,
            7 => Self::Config,
            8 => Self::Status,
            9 => Self::Bye,
            _ => return None,
        })
    }
}

/// Why a byte stream cannot be cut into frames any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A frame announces more than [`MAX_PAYLOAD`] bytes; the connection must be closed.
    TooLong {
        /// The announced length in bytes.
        announced: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { announced } => {
                write!(f, "frame of {announced} bytes is over the limit of {MAX_PAYLOAD} bytes")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Appends `message` as one frame to `out`.
///
/// Returns `false`, and appends nothing, when the message is longer than [`MAX_PAYLOAD`].
pub fn append<M: prost::Message>(out: &mut Vec<u8>, kind: Type, message: &M) -> bool {
    let len = message.encoded_len();
    if len > MAX_PAYLOAD {
        return false;
    }
    out.reserve(HEADER + len);
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&[kind as u8, 0]);
    // Encoding into a growing vector cannot run out of room.
    message.encode(out).is_ok()
}

/// Collects bytes as they arrive and gives back whole frames.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    start: usize,
}

impl Splitter {
    /// Takes in bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame of a known type, `None` until more bytes arrive.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`], for good, when a frame is over the limit.
    pub fn next(&mut self) -> Result<Option<(Type, &[u8])>, Error> {
        loop {
            let rest = &self.buffer[self.start..];
            let Some(header) = rest.first_chunk::<HEADER>() else { return Ok(None) };
            let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
            if len > MAX_PAYLOAD {
                return Err(Error::TooLong { announced: len });
            }
            if rest.len() < HEADER + len {
                return Ok(None);
            }
            let payload = self.start + HEADER;
            let kind = Type::from_code(header[4]);
            self.start = payload + len;
            if let Some(kind) = kind {
                return Ok(Some((kind, &self.buffer[payload..payload + len])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_of_unknown_type_are_skipped() {
        let mut splitter = Splitter::default();
        splitter.push(&[1, 0, 0, 0, 200, 0, 42]);
        splitter.push(&[0, 0, 0, 0, Type::Bye as u8, 0]);
        assert_eq!(splitter.next(), Ok(Some((Type::Bye, &[][..]))));
        assert_eq!(splitter.next(), Ok(None));
    }

    #[test]
    fn an_announced_length_over_the_limit_is_refused_before_it_is_read() {
        let mut splitter = Splitter::default();
        splitter.push(&[255, 255, 255, 255, 5, 0]);
        assert_eq!(splitter.next(), Err(Error::TooLong { announced: u32::MAX as usize }));
    }

    proptest! {
        #[test]
        fn any_cutting_of_the_stream_gives_the_same_frames(
            seqs in prop::collection::vec(0u64.., 1..10),
            cuts in prop::collection::vec(1usize..40, 1..60),
        ) {
            let mut stream = Vec::new();
            for seq in &seqs {
                let ack = crate::message::Ack { seq: *seq, credits: 1 };
                prop_assert!(append(&mut stream, Type::Ack, &ack));
            }
            let mut splitter = Splitter::default();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                splitter.push(head);
                rest = tail;
                while let Some((kind, payload)) = splitter.next().unwrap() {
                    prop_assert_eq!(kind, Type::Ack);
                    let ack: crate::message::Ack = prost::Message::decode(payload).unwrap();
                    got.push(ack.seq);
                }
            }
            prop_assert_eq!(got, seqs);
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let mut splitter = Splitter::default();
            splitter.push(&bytes);
            while let Ok(Some(_)) = splitter.next() {}
        }
    }
}
