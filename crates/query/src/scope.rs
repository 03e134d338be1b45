//! Which windows a question is about.

use forksight_model::Name;
use forksight_store::{Selection, Service, Store};

use crate::{Error, Result};

/// Which windows a question is about; the default is all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Of this service; all if `None`.
    pub service: Option<String>,
    /// Of this version; the newest of each service if `None`.
    pub version: Option<String>,
    /// That began at this time or later, in milliseconds since 1970.
    pub from_ms: u64,
    /// That began before this time.
    pub to_ms: u64,
}

impl Default for Scope {
    fn default() -> Self {
        Self { service: None, version: None, from_ms: 0, to_ms: u64::MAX }
    }
}

impl Scope {
    /// Everything of `service`'s newest version.
    pub fn service(service: impl Into<String>) -> Self {
        Self { service: Some(service.into()), ..Self::default() }
    }

    /// The windows of one version in the time of the scope.
    pub fn selection(&self, service: &Name, version: &Name) -> Selection {
        Selection::service(service.clone())
            .version(version.clone())
            .between(self.from_ms, self.to_ms)
    }

    /// The services asked for.
    ///
    /// # Errors
    ///
    /// [`Error::NoData`] where nothing was ever observed, or not this service.
    pub fn services(&self, store: &dyn Store) -> Result<Vec<Service>> {
        let all = store.services()?;
        let Some(asked) = &self.service else {
            if all.is_empty() {
                return Err(Error::NoData(
                    "nothing has been observed yet; start a program with `forksight run -- …`"
                        .into(),
                ));
            }
            return Ok(all);
        };
        let names: Vec<_> = all.iter().map(|service| service.name.to_string()).collect();
        match all.into_iter().find(|service| *service.name == **asked) {
            Some(service) => Ok(vec![service]),
            None if names.is_empty() => Err(Error::NoData(format!(
                "nothing has been observed of service {asked}; start it with \
                 `forksight run --service {asked} -- …`"
            ))),
            None => Err(Error::NoData(format!(
                "nothing has been observed of service {asked}; there is {}",
                names.join(", ")
            ))),
        }
    }

    /// The version asked for of `service`: the given one, else the newest that has windows in the
    /// time of the scope.
    ///
    /// # Errors
    ///
    /// [`Error::NoData`] where the version given was not observed, or none in this time.
    pub fn version_of(&self, service: &Service) -> Result<Name> {
        if let Some(asked) = &self.version {
            let found = service.versions.iter().find(|version| *version.name == **asked);
            return found.map(|version| version.name.clone()).ok_or_else(|| {
                let known: Vec<_> = service.versions.iter().map(|v| &*v.name).collect();
                Error::NoData(format!(
                    "version {asked} of service {} was not observed; there is {}",
                    service.name,
                    known.join(", ")
                ))
            });
        }
        let in_time = |version: &&forksight_store::Version| {
            version.last_seen_ms >= self.from_ms && version.first_seen_ms < self.to_ms
        };
        newest(service.versions.iter().filter(in_time)).ok_or_else(|| {
            Error::NoData(format!(
                "nothing was observed of service {} in this time; widen --since",
                service.name
            ))
        })
    }
}

/// The version of `service` that appeared last; `None` where it has none.
pub fn newest_version(service: &Service) -> Option<Name> {
    newest(service.versions.iter())
}

fn newest<'a>(versions: impl Iterator<Item = &'a forksight_store::Version>) -> Option<Name> {
    versions.max_by_key(|version| version.first_seen_ms).map(|version| version.name.clone())
}
