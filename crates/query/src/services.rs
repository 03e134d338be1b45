use forksight_store::Store;

use crate::answer::{InstanceRow, ServiceRow, VersionRow};
use crate::time::rfc3339;
use crate::{Result, Scope, newest_version};

/// The services in `scope`, by name.
///
/// # Errors
///
/// [`Error::NoData`](crate::Error::NoData) where nothing was ever observed, or not this service.
pub fn services(store: &dyn Store, scope: &Scope) -> Result<Vec<ServiceRow>> {
    let processes = store.processes()?;
    let mut rows = Vec::new();
    for service in scope.services(store)? {
        let newest = newest_version(&service);
        let functions = match &newest {
            Some(version) => store.functions(&service.name, Some(version))?.len() as u64,
            None => 0,
        };
        let connected = processes
            .iter()
            .filter(|process| process.connected && *process.hello.service == *service.name)
            .count() as u64;
        let seen = |pick: fn(&forksight_store::Version) -> u64| service.versions.iter().map(pick);
        rows.push(ServiceRow {
            service: service.name.to_string(),
            newest_version: newest.map(|name| name.to_string()).unwrap_or_default(),
            connected,
            functions,
            first_seen: rfc3339(seen(|version| version.first_seen_ms).min().unwrap_or(0)),
            last_seen: rfc3339(seen(|version| version.last_seen_ms).max().unwrap_or(0)),
            versions: service.versions.iter().map(version_row).collect(),
        });
    }
    Ok(rows)
}

fn version_row(version: &forksight_store::Version) -> VersionRow {
    let instance = |instance: &forksight_store::Instance| InstanceRow {
        instance: instance.id.to_string(),
        first_seen: rfc3339(instance.first_seen_ms),
        last_seen: rfc3339(instance.last_seen_ms),
    };
    VersionRow {
        version: version.name.to_string(),
        first_seen: rfc3339(version.first_seen_ms),
        last_seen: rfc3339(version.last_seen_ms),
        instances: version.instances.iter().map(instance).collect(),
    }
}
