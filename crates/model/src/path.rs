//! Paths: the outcomes one call saw, and its exit.

use crate::Name;

/// Which outcomes of each decision one call saw, loops collapsed.
///
/// Bit `i` stands for the outcome at position `i` of
/// [`Function::outcome_at`](crate::function::Function::outcome_at). Little-endian bytes without
/// trailing zero bytes, so that equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutcomeSet {
    bytes: Box<[u8]>,
}

impl OutcomeSet {
    /// The set whose bits are `bytes`, least significant bit first.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let len = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        Self { bytes: bytes[..len].into() }
    }

    /// The bits without trailing zero bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the outcome at `index` was seen.
    pub fn contains(&self, index: usize) -> bool {
        self.bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// The outcomes seen, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.bytes.len() * 8).filter(|index| self.contains(*index))
    }
}

impl FromIterator<usize> for OutcomeSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        let mut bytes = Vec::new();
        for index in indices {
            if bytes.len() <= index / 8 {
                bytes.resize(index / 8 + 1, 0u8);
            }
            bytes[index / 8] |= 1 << (index % 8);
        }
        Self::from_bytes(&bytes)
    }
}

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exit {
    /// It returned.
    #[default]
    Returned,
    /// It left by an error of this type, raised or passed through at this line of the function.
    Raised {
        /// Type name of the error, never its message.
        error_type: Name,
        /// Line of the function that the error left by, 1-based.
        line: u32,
    },
    /// It was cancelled or closed (`CancelledError`, `GeneratorExit`): not an error.
    Cancelled,
    /// Its end was not seen: the frame vanished, or recording stopped in the middle.
    Unseen,
}

impl Exit {
    /// Whether it left by an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Raised { .. })
    }

    /// Name of the kind in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Raised { .. } => "raised",
            Self::Cancelled => "cancelled",
            Self::Unseen => "unseen",
        }
    }
}

/// A path: the outcomes one call saw, and its exit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// The outcomes it saw.
    pub outcomes: OutcomeSet,
    /// How it ended.
    pub exit: Exit,
    /// Whether the function has more decisions than a record holds, so that `outcomes` is cut.
    pub cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_is_what_was_put_in(mut indices in prop::collection::vec(0usize..600, 0..40)) {
            let set: OutcomeSet = indices.iter().copied().collect();
            prop_assert_eq!(&OutcomeSet::from_bytes(set.as_bytes()), &set);
            indices.sort_unstable();
            indices.dedup();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), indices);
        }
    }
}
