use forksight_columns::Families;
use forksight_model::aggregate::EntryAggregate;
use forksight_model::sample::{Entry, EntryExit};
use forksight_store::{Grouping, Store};

use crate::answer::{EntryExitRow, EntryRow};
use crate::{Error, Result, Scope};

/// The entries in `scope`, the most frequent first: of each service one version, the newest unless
/// one is asked for.
///
/// # Errors
///
/// [`Error::NoData`] where nothing was observed in the scope.
pub fn entries(store: &dyn Store, scope: &Scope) -> Result<Vec<EntryRow>> {
    let mut rows = Vec::new();
    let mut failed = None;
    let mut covered = false;
    for service in scope.services(store)? {
        let version = match scope.version_of(&service) {
            Ok(version) => version,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        covered = true;
        let selection = scope.selection(&service.name, &version).families(Families::ENTRIES);
        for group in store.aggregate(&selection, Grouping::NONE)? {
            let row = |(entry, counts)| entry_row(&service.name, &version, entry, counts);
            rows.extend(group.aggregate.entries.into_iter().map(row));
        }
    }
    match failed {
        Some(error) if !covered => return Err(error),
        _ if !covered => return Err(Error::NoData("nothing was observed".into())),
        _ => {}
    }
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.entry.cmp(&b.entry)));
    Ok(rows)
}

fn entry_row(service: &str, version: &str, entry: Entry, counts: EntryAggregate) -> EntryRow {
    let mut exits: Vec<_> = counts.exits.iter().map(|(exit, n)| exit_row(exit, *n)).collect();
    exits.sort_by_key(|exit| std::cmp::Reverse(exit.count));
    EntryRow {
        service: service.into(),
        version: version.into(),
        kind: entry.kind.as_str().into(),
        entry: entry.name.to_string(),
        count: counts.count(),
        failures: counts.failures(),
        p50_ns: counts.latency.quantile(0.5),
        p99_ns: counts.latency.quantile(0.99),
        exits,
    }
}

fn exit_row(exit: &EntryExit, count: u64) -> EntryExitRow {
    EntryExitRow {
        error_type: exit.error_type.as_ref().map(|name| name.to_string()),
        status_class: (exit.status_class > 0).then_some(exit.status_class),
        failed: exit.is_failure(),
        count,
    }
}
