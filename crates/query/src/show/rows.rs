//! The parts of the answer that are computed from the counts of one function.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use forksight_model::aggregate::{Ended, ErrorFlow, FunctionAggregate, RETURN_SLOT, Weighted};
use forksight_model::function::{Function, FunctionId};
use forksight_model::path::{Exit, Path};
use forksight_store::Store;

use crate::Result;
use crate::answer::{DecisionRow, ErrorRow, ExitRow, InputRow, OutcomeRow, PathOutcome, PathRow};
use crate::share::Share;

/// Shares of the evaluations of each decision.
///
/// Evaluations within one call are not independent, so an interval never rests on more
/// observations than there were observed calls.
pub(super) fn decisions(function: &Function, counts: &FunctionAggregate) -> Vec<DecisionRow> {
    let mut position = 0;
    let mut rows = Vec::with_capacity(function.decisions.len());
    for (ordinal, decision) in (0..).zip(&function.decisions) {
        let taken: Vec<Weighted> = (position..position + decision.outcomes.len() as u32)
            .map(|index| counts.outcomes.get(&index).copied().unwrap_or_default())
            .collect();
        position += decision.outcomes.len() as u32;
        let mut all = Weighted::default();
        taken.iter().for_each(|part| all.merge(*part));
        let exact =
            all.is_exact() && counts.observed.w == counts.calls.w && counts.calls.is_exact();
        let outcome = |(outcome, part): (&forksight_model::function::Outcome, &Weighted)| {
            let share = if exact {
                Share::exact(part.w, all.w)
            } else {
                Share::sampled(part.w, all.w, all.n.min(counts.observed.n))
            };
            OutcomeRow {
                name: outcome.name.to_string(),
                target_line: (outcome.target_line > 0).then_some(outcome.target_line),
                count: part.w,
                exact,
                share: share.map(|s| s.share),
                low: share.map(|s| s.low),
                high: share.map(|s| s.high),
                n: part.n,
            }
        };
        rows.push(DecisionRow {
            ordinal,
            kind: decision.kind.as_str().into(),
            line: decision.span.line,
            column: decision.span.column,
            end_line: decision.span.end_line,
            end_column: decision.span.end_column,
            outcomes: decision.outcomes.iter().zip(&taken).map(outcome).collect(),
        });
    }
    rows
}

pub(super) fn paths(function: &Function, counts: &FunctionAggregate) -> Vec<PathRow> {
    let all = counts.observed;
    let mut rows: Vec<_> = counts
        .paths
        .iter()
        .filter_map(|(path, seen)| {
            let part = seen.observed;
            let share = if all.is_exact() {
                Share::exact(part.w, all.w)
            } else {
                Share::sampled(part.w, all.w, all.n)
            }?;
            Some(PathRow {
                id: path_id(function, path),
                calls: part.w,
                share: share.share,
                low: share.low,
                high: share.high,
                n: part.n,
                exit: exit_text(&path.exit),
                p50_ns: seen.latency.quantile(0.5),
                outcomes: path_outcomes(function, path),
                cut: path.cut,
            })
        })
        .collect();
    rows.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.id.cmp(&b.id)));
    rows
}

fn path_outcomes(function: &Function, path: &Path) -> Vec<PathOutcome> {
    let mut by_decision: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for index in path.outcomes.iter() {
        if let Some((ordinal, outcome)) = function.outcome_at(index) {
            let name = function.decisions[ordinal].outcomes[outcome].name.to_string();
            by_decision.entry(ordinal).or_default().push(name);
        }
    }
    let row = |(ordinal, names)| PathOutcome { ordinal: ordinal as u32, names };
    by_decision.into_iter().map(row).collect()
}

/// FNV-1a over the body, the outcomes and the exit, with lines counted from the definition.
fn path_id(function: &Function, path: &Path) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    feed(&function.body_hash.to_le_bytes());
    feed(path.outcomes.as_bytes());
    feed(path.exit.kind().as_bytes());
    if let Exit::Raised { error_type, line } = &path.exit {
        feed(error_type.as_bytes());
        feed(&line.wrapping_sub(function.line).to_le_bytes());
    }
    format!("{:012x}", hash >> 16)
}

fn exit_text(exit: &Exit) -> String {
    match exit {
        Exit::Raised { error_type, line } => format!("raised {error_type} at line {line}"),
        other => other.kind().into(),
    }
}

/// Exits by an error are exact counts; what is left of the calls returned or did not end yet.
pub(super) fn exits(counts: &FunctionAggregate) -> Vec<ExitRow> {
    let calls = counts.calls.w;
    let others = counts.exits.values().fold(0u64, |sum, n| sum.saturating_add(*n));
    let row = |exit: &Exit, n: u64| {
        let (error_type, line) = match exit {
            Exit::Raised { error_type, line } => (Some(error_type.to_string()), Some(*line)),
            _ => (None, None),
        };
        let share = n as f64 / calls.max(n).max(1) as f64;
        ExitRow { kind: exit.kind().into(), error_type, line, calls: n, share }
    };
    let mut rows: Vec<_> = counts.exits.iter().map(|(exit, n)| row(exit, *n)).collect();
    let returned = calls.saturating_sub(others);
    if returned > 0 && !counts.exits.contains_key(&Exit::Returned) {
        rows.push(row(&Exit::Returned, returned));
    }
    rows.sort_by_key(|row| Reverse(row.calls));
    rows
}

pub(super) fn errors(
    store: &dyn Store,
    ids: &[FunctionId],
    flows: &BTreeMap<ErrorFlow, u64>,
) -> Result<Vec<ErrorRow>> {
    let mut rows = Vec::new();
    for (flow, count) in flows {
        let origin = flow.origin.function.is_some_and(|id| ids.contains(&id));
        let ended_here = flow.end.filter(|(id, _)| ids.contains(id)).map(|(_, line)| line);
        let ended_function = match flow.end {
            Some((id, _)) => store.function(id)?.map(|function| function.name.to_string()),
            None => None,
        };
        let caught_here = ended_here.filter(|_| flow.ended != Ended::Escaped);
        rows.push(ErrorRow {
            error_type: flow.error_type.to_string(),
            file: flow.origin.file.to_string(),
            line: flow.origin.line,
            function: flow.origin.name.to_string(),
            origin,
            ended: flow.ended.as_str().into(),
            ended_function,
            ended_line: flow.end.map(|(_, line)| line).filter(|line| *line > 0),
            here: origin.then_some(flow.origin.line).or(caught_here).filter(|line| *line > 0),
            count: *count,
        });
    }
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.error_type.cmp(&b.error_type)));
    Ok(rows)
}

/// Classes by argument, in the order of the arguments, the return value last, each most frequent
/// first. Classes that read the same are one row.
pub(super) fn inputs(function: &Function, counts: &FunctionAggregate) -> Vec<InputRow> {
    let mut by_slot: BTreeMap<u8, BTreeMap<String, Weighted>> = BTreeMap::new();
    for ((slot, shape), seen) in &counts.shapes {
        let classes = by_slot.entry(*slot).or_default();
        classes.entry(shape.label()).or_default().merge(*seen);
    }
    let mut rows = Vec::new();
    for (slot, classes) in by_slot {
        let argument = match (slot, function.arguments.get(usize::from(slot))) {
            (RETURN_SLOT, _) => "return".into(),
            (_, Some(name)) => name.to_string(),
            (slot, None) => format!("argument {}", slot + 1),
        };
        let mut all = Weighted::default();
        classes.values().for_each(|seen| all.merge(*seen));
        let mut of_slot: Vec<_> = classes
            .into_iter()
            .filter_map(|(class, seen)| {
                let exact = all.is_exact() && all.w == counts.calls.w;
                let share = if exact {
                    Share::exact(seen.w, all.w)
                } else {
                    Share::sampled(seen.w, all.w, all.n)
                }?;
                let Share { share, low, high } = share;
                Some(InputRow { argument: argument.clone(), class, share, low, high, n: seen.n })
            })
            .collect();
        of_slot.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.class.cmp(&b.class)));
        rows.extend(of_slot);
    }
    rows
}
