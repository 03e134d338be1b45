//! Functions and their decisions.

use crate::Name;

/// Number of a function inside one store; dense, and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// A function as it was observed: one body of one qualified name.
///
/// Across versions a function is matched by [`Function::key`]; [`Function::body_hash`] tells
/// whether its code changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Source language, for example `python`.
    pub language: Name,
    /// Path of the source file relative to the import root it was found under, with `/`.
    pub file: Name,
    /// Import root the file was found under on the machine that ran it; absolute.
    pub root: Name,
    /// Qualified name as the language writes it, module included: `shop.pricing.apply_discount`.
    pub name: Name,
    /// First line of the definition, 1-based.
    pub line: u32,
    /// Last line of the definition, 1-based.
    pub end_line: u32,
    /// Hash over the code alone: equal for equal code wherever its lines are.
    pub body_hash: u64,
    /// Hash of the source file's bytes when it was read; 0 where it could not be read.
    pub file_hash: u64,
    /// Whether it belongs to the observed application rather than to a dependency.
    pub first_party: bool,
    /// Names of the arguments in order, the receiver included.
    pub arguments: Vec<Name>,
    /// Decisions in source order; a decision's ordinal is its index here.
    pub decisions: Vec<Decision>,
}

impl Function {
    /// What stays the same across versions: language, file and qualified name.
    pub fn key(&self) -> (&str, &str, &str) {
        (&self.language, &self.file, &self.name)
    }

    /// How many outcomes all decisions have together: the length of an
    /// [`OutcomeSet`](crate::path::OutcomeSet) of this function.
    pub fn outcome_count(&self) -> usize {
        self.decisions.iter().map(|d| d.outcomes.len()).sum()
    }

    /// The position of `outcome` of decision `ordinal` in an outcome set; `None` if there is no
    /// such outcome.
    pub fn outcome_index(&self, ordinal: usize, outcome: usize) -> Option<usize> {
        let decision = self.decisions.get(ordinal)?;
        (outcome < decision.outcomes.len()).then(|| {
            self.decisions[..ordinal].iter().map(|d| d.outcomes.len()).sum::<usize>() + outcome
        })
    }

    /// The decision ordinal and outcome at position `index` of an outcome set.
    pub fn outcome_at(&self, index: usize) -> Option<(usize, usize)> {
        let mut left = index;
        for (ordinal, decision) in self.decisions.iter().enumerate() {
            if left < decision.outcomes.len() {
                return Some((ordinal, left));
            }
            left -= decision.outcomes.len();
        }
        None
    }
}

/// A place in a function with two or more outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What kind of construct it is.
    pub kind: DecisionKind,
    /// Source span of the condition (the iterable of a loop, the subject of a match).
    pub span: Span,
    /// The ways it can go, in a fixed order for each kind.
    pub outcomes: Vec<Outcome>,
}

/// One way a decision can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Short name: `true`, `false`, `entered`, `exhausted`, `not entered`, `case 2`, `caught`, …
    pub name: Name,
    /// First line executed when it goes this way, 1-based; 0 where unknown.
    pub target_line: u32,
}

/// Source positions: lines and columns are 1-based, columns count Unicode characters, the end is
/// exclusive in its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column just past the last character.
    pub end_column: u32,
}

/// Kinds of decisions, over all languages.
///
/// The numbers are part of the wire and block formats: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum DecisionKind {
    /// A conditional jump whose construct is not known, because no source could be read.
    Branch = 0,
    /// `if`; outcomes `true`, `false`.
    If = 1,
    /// `elif` or `else if`; outcomes `true`, `false`.
    Elif = 2,
    /// `while`; outcomes `true`, `false`, counted at each test.
    While = 3,
    /// `for`; outcomes `entered` (an item was taken), `exhausted`, and `not entered` (exhausted
    /// in a call that took no item; counts calls).
    For = 4,
    /// Conditional expression; outcomes `true`, `false`.
    Ternary = 5,
    /// One operand of `and` but the last; outcomes `true`, `false` (short-circuits).
    And = 6,
    /// One operand of `or` but the last; outcomes `true` (short-circuits), `false`.
    Or = 7,
    /// `match` or `switch`; outcomes `case N` (1-based) and `no case`.
    Match = 8,
    /// A loop of a comprehension or generator expression; outcomes as [`For`](Self::For).
    Comprehension = 9,
    /// A condition inside a comprehension; outcomes `true`, `false`.
    ComprehensionIf = 10,
    /// `assert`; outcomes `true`, `false`.
    Assert = 11,
    /// A typed except or catch clause; outcomes `caught`, `passed`.
    Except = 12,
    /// Chained comparison, all but its last link; outcomes `true`, `false`.
    Comparison = 13,
    /// `with` whose exit decides about an exception; outcomes `suppressed`, `passed`.
    With = 14,
    /// `??`; outcomes `value`, `null`.
    Coalesce = 15,
    /// `?.`; outcomes `value`, `null`.
    OptionalChain = 16,
    /// `?` in Rust; outcomes `value`, `error`.
    Try = 17,
}

impl DecisionKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Branch,
        Self::If,
        Self::Elif,
        Self::While,
        Self::For,
        Self::Ternary,
        Self::And,
        Self::Or,
        Self::Match,
        Self::Comprehension,
        Self::ComprehensionIf,
        Self::Assert,
        Self::Except,
        Self::Comparison,
        Self::With,
        Self::Coalesce,
        Self::OptionalChain,
        Self::Try,
    ];

    /// The kind with this number, [`Branch`](Self::Branch) for one that is not known here.
    pub fn from_code(code: u32) -> Self {
        Self::ALL.get(code as usize).copied().unwrap_or(Self::Branch)
    }

    /// Number in the wire and block formats.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// Name in JSON and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::If => "if",
            Self::Elif => "elif",
            Self::While => "while",
            Self::For => "for",
            Self::Ternary => "ternary",
            Self::And => "and",
            Self::Or => "or",
            Self::Match => "match",
            Self::Comprehension => "comprehension",
            Self::ComprehensionIf => "comprehension-if",
            Self::Assert => "assert",
            Self::Except => "except",
            Self::Comparison => "comparison",
            Self::With => "with",
            Self::Coalesce => "??",
            Self::OptionalChain => "?.",
            Self::Try => "?",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_indices_of_all() {
        for (index, kind) in DecisionKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.code() as usize, index);
            assert_eq!(DecisionKind::from_code(kind.code()), kind);
        }
    }
}
