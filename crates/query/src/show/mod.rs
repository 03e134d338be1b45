//! One function: its decisions, paths, exits, errors, inputs, callers and versions.

mod rows;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;

use forksight_columns::Families;
use forksight_model::aggregate::{ErrorFlow, FunctionAggregate};
use forksight_model::function::{Function, FunctionId};
use forksight_store::{Grouping, Service, Store};

pub use self::target::Target;
use crate::answer::{CallerRow, OtherBody, Show, ShowVersion, Window};
use crate::{Error, Result, Scope};

/// The function that `target` names, in the version of `scope` or the newest that has it.
///
/// # Errors
///
/// [`Error::NoFunction`] and [`Error::Ambiguous`] where the target does not name one function,
/// [`Error::NoData`] where nothing was observed in the scope.
pub fn show(store: &dyn Store, scope: &Scope, target: &Target) -> Result<Show> {
    let (service, function) = target.find(store, scope)?;
    let population = Population::read(store, scope, &service, &function)?;
    population.answer(store)
}

/// A function as it was observed in every version of its service.
struct Population {
    service: Service,
    /// The version shown.
    version: forksight_model::Name,
    /// The body shown.
    function: Arc<Function>,
    counts: FunctionAggregate,
    errors: BTreeMap<ErrorFlow, u64>,
    ids: Vec<FunctionId>,
    window: (u64, u64),
    others: Vec<OtherBody>,
    versions: Vec<ShowVersion>,
}

impl Population {
    fn read(
        store: &dyn Store,
        scope: &Scope,
        service: &Service,
        function: &Function,
    ) -> Result<Self> {
        let everywhere = Scope { version: None, ..scope.clone() };
        let same_name: Vec<_> = store
            .functions(&service.name, None)?
            .into_iter()
            .filter(|(_, other)| other.key() == function.key())
            .collect();
        let mut selection = forksight_store::Selection::service(service.name.clone())
            .between(everywhere.from_ms, everywhere.to_ms)
            .families(
                Families::ALL
                    .without(Families::CALL_SAMPLES)
                    .without(Families::ENTRY_SAMPLES)
                    .without(Families::ENTRIES),
            )
            .functions(same_name.iter().map(|(id, _)| *id));
        if let Some(version) = &scope.version {
            // Other versions still belong into the table of versions.
            selection.version = None;
            if !service.versions.iter().any(|known| *known.name == **version) {
                scope.version_of(service)?;
            }
        }
        let mut groups: BTreeMap<_, _> = store
            .aggregate(&selection, Grouping::VERSION)?
            .into_iter()
            .filter_map(|group| Some((group.key.version.clone()?, group)))
            .collect();
        let called = |version: &forksight_model::Name| {
            groups.get(version).is_some_and(|group| {
                same_name.iter().any(|(id, _)| group.aggregate.functions.contains_key(id))
            })
        };
        let shown = match &scope.version {
            Some(version) => service.versions.iter().find(|known| *known.name == **version),
            None => service
                .versions
                .iter()
                .filter(|known| called(&known.name))
                .max_by_key(|known| known.first_seen_ms),
        };
        let version = shown
            .map(|known| known.name.clone())
            .filter(called)
            .ok_or_else(|| not_called(function, scope))?;

        // Of several bodies in one version the one defined last is shown.
        let present: Vec<_> = same_name
            .iter()
            .filter(|(id, _)| groups[&version].aggregate.functions.contains_key(id))
            .collect();
        let body = present
            .iter()
            .filter(|(_, other)| other.line == function.line)
            .chain(&present)
            .max_by_key(|(id, other)| (other.line == function.line, *id))
            .map(|(_, body)| body.clone())
            .ok_or_else(|| not_called(function, scope))?;
        let versions = service
            .versions
            .iter()
            .filter_map(|known| {
                let group = groups.get(&known.name)?;
                version_row(&known.name, group, &same_name, &body)
            })
            .collect();
        let Some(group) = groups.remove(&version) else {
            return Err(not_called(function, scope));
        };
        let mut counts = FunctionAggregate::default();
        let mut ids = Vec::new();
        let mut others: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        let mut functions = group.aggregate.functions;
        for (id, other) in &same_name {
            let Some(part) = functions.remove(id) else { continue };
            if same_code(other, &body) {
                counts.merge(part);
                ids.push(*id);
            } else {
                *others.entry((other.line, other.body_hash)).or_default() += part.calls.w;
            }
        }
        let touches = |flow: &ErrorFlow| {
            flow.origin.function.iter().chain(&flow.through).any(|id| ids.contains(id))
                || flow.end.is_some_and(|(id, _)| ids.contains(&id))
        };
        let errors = group.aggregate.errors.into_iter().filter(|(f, _)| touches(f)).collect();
        let others = others
            .into_iter()
            .map(|((line, hash), calls)| OtherBody { line, body_hash: hex(hash), calls })
            .collect();
        Ok(Self {
            service: service.clone(),
            version,
            function: body,
            counts,
            errors,
            ids,
            window: (group.from_ms, group.to_ms),
            others,
            versions,
        })
    }

    fn answer(self, store: &dyn Store) -> Result<Show> {
        let Self { function, counts, .. } = &self;
        Ok(Show {
            service: self.service.name.to_string(),
            version: self.version.to_string(),
            language: function.language.to_string(),
            function: function.name.to_string(),
            file: function.file.to_string(),
            line: function.line,
            end_line: function.end_line,
            body_hash: hex(function.body_hash),
            file_hash: (function.file_hash != 0).then(|| hex(function.file_hash)),
            root: function.root.to_string(),
            first_party: function.first_party,
            arguments: function.arguments.iter().map(|name| name.to_string()).collect(),
            window: Window::new(self.window.0, self.window.1),
            calls: counts.calls.w,
            calls_exact: counts.calls.is_exact(),
            sampled: counts.observed.n,
            sampled_weight: counts.observed.w,
            error_calls: counts.errors,
            p50_ns: counts.latency.quantile(0.5),
            p99_ns: counts.latency.quantile(0.99),
            decisions: rows::decisions(function, counts),
            paths: rows::paths(function, counts),
            exits: rows::exits(counts),
            errors: rows::errors(store, &self.ids, &self.errors)?,
            inputs: rows::inputs(function, counts),
            callers: callers(store, counts)?,
            versions: self.versions,
            other_bodies: self.others,
        })
    }
}

/// Whether counts by position of an outcome mean the same in both.
fn same_code(a: &Function, b: &Function) -> bool {
    let layout = |function: &Function| -> Vec<(u32, usize)> {
        function.decisions.iter().map(|d| (d.kind.code(), d.outcomes.len())).collect()
    };
    // Two functions of one name in one version (two lambdas) stand on different lines.
    a.body_hash == b.body_hash && a.line == b.line && layout(a) == layout(b)
}

fn version_row(
    version: &str,
    group: &forksight_store::Group,
    same_name: &[(FunctionId, Arc<Function>)],
    body: &Function,
) -> Option<ShowVersion> {
    let mut sum = FunctionAggregate::default();
    let mut hashes = Vec::new();
    for (id, function) in same_name {
        if let Some(part) = group.aggregate.functions.get(id) {
            let slim = FunctionAggregate {
                calls: part.calls,
                errors: part.errors,
                latency: part.latency.clone(),
                ..FunctionAggregate::default()
            };
            sum.merge(slim);
            hashes.push(function.body_hash);
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    (!hashes.is_empty()).then(|| ShowVersion {
        version: version.into(),
        same_body: hashes == [body.body_hash],
        body_hashes: hashes.into_iter().map(hex).collect(),
        calls: sum.calls.w,
        calls_exact: sum.calls.is_exact(),
        errors: sum.errors,
        p99_ns: sum.latency.quantile(0.99),
        window: Window::new(group.from_ms, group.to_ms),
    })
}

fn callers(store: &dyn Store, counts: &FunctionAggregate) -> Result<Vec<CallerRow>> {
    let mut rows = Vec::new();
    for (id, weight) in &counts.callers {
        let Some(caller) = store.function(*id)? else { continue };
        rows.push(CallerRow {
            function: caller.name.to_string(),
            file: caller.file.to_string(),
            line: caller.line,
            calls: weight.w,
            share: weight.w as f64 / counts.observed.w.max(1) as f64,
        });
    }
    rows.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.function.cmp(&b.function)));
    Ok(rows)
}

fn not_called(function: &Function, scope: &Scope) -> Error {
    let name = &function.name;
    Error::NoData(match &scope.version {
        Some(version) => format!("{name} was not called in version {version} in this time"),
        None => format!("{name} was not called in this time; widen --since"),
    })
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
