use std::collections::BTreeMap;
use std::sync::Arc;

use forksight_columns::Families;
use forksight_model::Name;
use forksight_model::aggregate::FunctionAggregate;
use forksight_model::function::Function;
use forksight_store::{Grouping, Store};

use crate::answer::FunctionRow;
use crate::{Error, Result, Scope};

/// The functions in `scope` whose name or file matches `filter`, the most called first: of each
/// service one version, the newest unless one is asked for.
///
/// A filter with `*` or `?` must match the whole qualified name or the whole file; any other is a
/// part of one of them, without regard to case.
///
/// # Errors
///
/// [`Error::NoData`] where nothing was observed in the scope.
pub fn functions(
    store: &dyn Store,
    scope: &Scope,
    filter: Option<&str>,
) -> Result<Vec<FunctionRow>> {
    let filter = filter.map(Filter::new);
    let mut rows = Vec::new();
    let mut covered = Err(Error::NoData("nothing was observed in this time; widen --since".into()));
    for service in scope.services(store)? {
        let version = match scope.version_of(&service) {
            Ok(version) => version,
            Err(error) => {
                if covered.is_err() {
                    covered = Err(error);
                }
                continue;
            }
        };
        covered = Ok(());
        let known: BTreeMap<_, _> =
            store.functions(&service.name, Some(&version))?.into_iter().collect();
        let selection = scope
            .selection(&service.name, &version)
            .families(Families::FUNCTIONS.union(Families::LATENCY));
        let mut merged: BTreeMap<Key, (Arc<Function>, FunctionAggregate)> = BTreeMap::new();
        for group in store.aggregate(&selection, Grouping::NONE)? {
            for (id, counts) in group.aggregate.functions {
                let Some(function) = known.get(&id) else { continue };
                if filter.as_ref().is_some_and(|filter| !filter.matches(function)) {
                    continue;
                }
                let slot = merged.entry(key(function));
                let (newest, sum) =
                    slot.or_insert_with(|| (function.clone(), FunctionAggregate::default()));
                *newest = function.clone();
                sum.merge(counts);
            }
        }
        let row = |(function, counts)| function_row(&service.name, &version, function, counts);
        rows.extend(merged.into_values().map(row));
    }
    covered?;
    rows.sort_by(|a, b| {
        let place = |row: &FunctionRow| (!row.first_party, u64::MAX - row.calls);
        place(a).cmp(&place(b)).then_with(|| a.function.cmp(&b.function))
    });
    Ok(rows)
}

/// What makes two observed functions of one version one row.
type Key = (Name, Name, Name, u32);

fn key(function: &Function) -> Key {
    (function.language.clone(), function.file.clone(), function.name.clone(), function.line)
}

fn function_row(
    service: &str,
    version: &str,
    function: Arc<Function>,
    counts: FunctionAggregate,
) -> FunctionRow {
    FunctionRow {
        service: service.into(),
        version: version.into(),
        language: function.language.to_string(),
        file: function.file.to_string(),
        line: function.line,
        function: function.name.to_string(),
        first_party: function.first_party,
        calls: counts.calls.w,
        calls_exact: counts.calls.is_exact(),
        errors: counts.errors,
        sampled: counts.observed.n,
        p50_ns: counts.latency.quantile(0.5),
        p99_ns: counts.latency.quantile(0.99),
    }
}

/// A filter over names and files.
pub(crate) struct Filter {
    pattern: String,
    glob: bool,
}

impl Filter {
    pub(crate) fn new(text: &str) -> Self {
        let glob = text.contains(['*', '?']);
        Self { pattern: if glob { text.into() } else { text.to_lowercase() }, glob }
    }

    pub(crate) fn matches(&self, function: &Function) -> bool {
        [&function.name, &function.file].into_iter().any(|text| match self.glob {
            true => glob_matches(self.pattern.as_bytes(), text.as_bytes()),
            false => text.to_lowercase().contains(&self.pattern),
        })
    }
}

/// Whether `*` (any bytes) and `?` (one byte) in `pattern` can be read so that it is `text`.
/// Takes time proportional to the product of the lengths at worst.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut retry {
                // The last star takes one byte more.
                Some((star, taken)) => {
                    *taken += 1;
                    (p, t) = (*star + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn globs_match_whole_texts() {
        let matches = |pattern: &str, text: &str| glob_matches(pattern.as_bytes(), text.as_bytes());
        assert!(matches("shop.*", "shop.pricing.apply"));
        assert!(matches("*.apply", "shop.pricing.apply"));
        assert!(matches("sh?p.*.a*y", "shop.pricing.apply"));
        assert!(matches("*", ""));
        assert!(!matches("shop.*", "workshop.pricing"));
        assert!(!matches("shop", "shop.pricing"));
        assert!(!matches("?", ""));
        assert!(matches("*a*b*", "xxaxxabxx"));
        assert!(!matches("*a*b", "xxaxxabxx"));
    }
}
