//! Functions as they are defined on a connection.

use std::fmt;

use forksight_model::Name;
use forksight_model::function::{Decision, DecisionKind, Function, Outcome, Span};
use forksight_wire::message::{DecisionDef, FunctionDef};

/// The longest language, file, root, function, argument or outcome name kept, in bytes; what is
/// longer is cut at a character.
pub const MAX_NAME: usize = 512;
/// The most arguments kept of a function; the rest is left out.
pub const MAX_ARGUMENTS: usize = 64;
/// The most decisions a function may have.
pub const MAX_DECISIONS: usize = 4096;
/// The most outcomes all decisions of a function may have together: the bits of an outcome set.
pub const MAX_OUTCOMES: usize = 8 * 1024;

/// Why a definition is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It has number 0, which is no function.
    NoNumber,
    /// It has no name; a function cannot be told from others without one.
    NoName,
    /// It has more decisions or outcomes than a function may have. Leaving some out would shift
    /// the positions of the others.
    TooManyOutcomes,
    /// A decision's names and lines of outcomes differ in number.
    Uneven,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber => "function definition has number 0",
            Self::NoName => "function definition has no name",
            Self::TooManyOutcomes => "function definition has too many decisions or outcomes",
            Self::Uneven => "outcome names and lines of a decision differ in number",
        })
    }
}

impl std::error::Error for Refused {}

/// `function` as definition number `number`.
pub fn to_wire(number: u32, function: &Function) -> FunctionDef {
    FunctionDef {
        id: number,
        language: function.language.to_string(),
        file: function.file.to_string(),
        root: function.root.to_string(),
        name: function.name.to_string(),
        line: function.line,
        end_line: function.end_line,
        body_hash: function.body_hash,
        file_hash: function.file_hash,
        first_party: function.first_party,
        arguments: function.arguments.iter().map(|name| name.to_string()).collect(),
        decisions: function.decisions.iter().map(decision_to_wire).collect(),
    }
}

fn decision_to_wire(decision: &Decision) -> DecisionDef {
    let Span { line, column, end_line, end_column } = decision.span;
    DecisionDef {
        kind: decision.kind.code(),
        span: vec![line, column, end_line, end_column],
        outcomes: decision.outcomes.iter().map(|outcome| outcome.name.to_string()).collect(),
        target_lines: decision.outcomes.iter().map(|outcome| outcome.target_line).collect(),
    }
}

/// The function that `definition` defines; its number is `definition.id`.
///
/// Names lose control characters and what is over [`MAX_NAME`].
///
/// # Errors
///
/// [`Refused`] where the definition cannot be a function's; windows may still mention its number.
pub fn from_wire(definition: &FunctionDef) -> Result<Function, Refused> {
    if definition.id == 0 {
        return Err(Refused::NoNumber);
    }
    let name = clean(&definition.name);
    if name.is_empty() {
        return Err(Refused::NoName);
    }
    let outcomes: usize = definition.decisions.iter().map(|d| d.outcomes.len()).sum();
    if definition.decisions.len() > MAX_DECISIONS || outcomes > MAX_OUTCOMES {
        return Err(Refused::TooManyOutcomes);
    }
    Ok(Function {
        language: clean(&definition.language),
        file: clean(&definition.file),
        root: clean(&definition.root),
        name,
        line: definition.line,
        end_line: definition.end_line,
        body_hash: definition.body_hash,
        file_hash: definition.file_hash,
        first_party: definition.first_party,
        arguments: definition.arguments.iter().take(MAX_ARGUMENTS).map(|s| clean(s)).collect(),
        decisions: definition.decisions.iter().map(decision_from_wire).collect::<Result<_, _>>()?,
    })
}

fn decision_from_wire(definition: &DecisionDef) -> Result<Decision, Refused> {
    if definition.outcomes.len() != definition.target_lines.len() {
        return Err(Refused::Uneven);
    }
    let position = |index| definition.span.get(index).copied().unwrap_or(0);
    Ok(Decision {
        kind: DecisionKind::from_code(definition.kind),
        span: Span {
            line: position(0),
            column: position(1),
            end_line: position(2),
            end_column: position(3),
        },
        outcomes: definition
            .outcomes
            .iter()
            .zip(&definition.target_lines)
            .map(|(name, line)| Outcome { name: clean(name), target_line: *line })
            .collect(),
    })
}

/// `text` without control characters, at most [`MAX_NAME`] bytes of it.
pub fn clean(text: &str) -> Name {
    if text.len() <= MAX_NAME && !text.contains(is_unprintable) {
        return text.into();
    }
    let mut kept = String::new();
    for character in text.chars().filter(|c| !is_unprintable(*c)) {
        if kept.len() + character.len_utf8() > MAX_NAME {
            break;
        }
        kept.push(character);
    }
    kept.into()
}

/// Control characters, and the marks that reorder text on a screen.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
