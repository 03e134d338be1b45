use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use forksight_model::function::Function;
use forksight_store::{Service, Store};

use crate::{Error, Result, Scope};

/// How a person names a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A qualified name, or enough of its end to be unique.
    Name(String),
    /// A place in a source file, or in the end of its path: the innermost function around it.
    Place {
        /// The file.
        file: String,
        /// The line, 1-based.
        line: u32,
    },
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::Usage("a function is `qualified.name` or `file:line`".into()));
        }
        let place = text.rsplit_once(':').and_then(|(file, line)| {
            let line = line.parse().ok().filter(|line| *line > 0)?;
            Some(Self::Place { file: file.trim_start_matches("./").into(), line })
        });
        Ok(place.unwrap_or_else(|| Self::Name(text.into())))
    }
}

/// How many names an error lists.
const LISTED: usize = 8;

impl Target {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Place { file, line } => format!("{file}:{line}"),
        }
    }

    /// The one function that is meant, as it was defined last, and its service.
    pub(super) fn find(
        &self,
        store: &dyn Store,
        scope: &Scope,
    ) -> Result<(Service, Arc<Function>)> {
        let mut services = scope.services(store)?;
        let mut known = Vec::new();
        for (index, service) in services.iter().enumerate() {
            let version = scope
                .version
                .as_deref()
                .filter(|version| service.versions.iter().any(|known| *known.name == **version));
            for (_, function) in store.functions(&service.name, version)? {
                known.push((index, function));
            }
        }
        let found = match self {
            Self::Name(name) => by_name(name, &known),
            Self::Place { file, line } => by_place(file, *line, &known),
        };
        // Later definitions replace earlier ones of the same function.
        let mut distinct = BTreeMap::new();
        for (index, function) in found {
            let (_, file, name) = function.key();
            let key = (*index, file.to_owned(), name.to_owned());
            distinct.insert(key, (*index, function.clone()));
        }
        let mut distinct: Vec<_> = distinct.into_values().collect();
        match distinct.len() {
            1 => {
                let (index, function) = distinct.remove(0);
                Ok((services.swap_remove(index), function))
            }
            0 => Err(Error::NoFunction { asked: self.text(), near: self.near(&known) }),
            _ => {
                let name = |(index, function): &(usize, Arc<Function>)| {
                    let service = &services[*index].name;
                    format!("{} ({}:{}, {service})", function.name, function.file, function.line)
                };
                let mut candidates: Vec<_> = distinct.iter().take(LISTED).map(name).collect();
                if distinct.len() > LISTED {
                    candidates.push(format!("and {} more", distinct.len() - LISTED));
                }
                Err(Error::Ambiguous { asked: self.text(), candidates })
            }
        }
    }

    /// Names that contain the last part of what was asked for.
    fn near(&self, known: &[(usize, Arc<Function>)]) -> Vec<String> {
        let part = match self {
            Self::Name(name) => name.rsplit('.').next().unwrap_or(name).to_lowercase(),
            Self::Place { file, .. } => file.rsplit('/').next().unwrap_or(file).to_lowercase(),
        };
        let close: BTreeSet<_> = known
            .iter()
            .filter(|(_, function)| {
                let place =
                    if matches!(self, Self::Name(_)) { &function.name } else { &function.file };
                !part.is_empty() && place.to_lowercase().contains(&part)
            })
            .map(|(_, function)| match self {
                Self::Name(_) => function.name.to_string(),
                Self::Place { .. } => {
                    format!("{} at {}:{}", function.name, function.file, function.line)
                }
            })
            .collect();
        close.into_iter().take(LISTED).collect()
    }
}

type Known<'a> = &'a (usize, Arc<Function>);

/// The functions of this name; else those whose name ends in it after a dot.
fn by_name<'a>(name: &str, known: &'a [(usize, Arc<Function>)]) -> Vec<Known<'a>> {
    let exact: Vec<_> = known.iter().filter(|(_, function)| *function.name == *name).collect();
    if !exact.is_empty() {
        return exact;
    }
    let ends = |function: &Function| {
        let before = function.name.strip_suffix(name);
        before.is_some_and(|before| before.ends_with('.'))
    };
    known.iter().filter(|(_, function)| ends(function)).collect()
}

/// The innermost functions around a line, as they were defined last.
fn by_place<'a>(file: &str, line: u32, known: &'a [(usize, Arc<Function>)]) -> Vec<Known<'a>> {
    let same_file = |function: &Function| {
        *function.file == *file
            || function.file.strip_suffix(file).is_some_and(|before| before.ends_with('/'))
            || file.strip_suffix(&*function.file).is_some_and(|before| before.ends_with('/'))
    };
    let around = known.iter().filter(|(_, function)| {
        same_file(function) && (function.line..=function.end_line).contains(&line)
    });
    // Lines move between versions: what was defined last is what the reader looks at.
    let mut newest: BTreeMap<(usize, &str, &str), Known> = BTreeMap::new();
    for known in around {
        let (_, file, name) = known.1.key();
        newest.insert((known.0, file, name), known);
    }
    let length = |function: &Function| function.end_line - function.line;
    let innermost = newest.values().map(|(_, function)| length(function)).min();
    let innermost = newest.into_values().filter(|(_, f)| Some(length(f)) == innermost);
    innermost.collect()
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_target_is_a_place_only_with_a_line() {
        let parse = |text: &str| text.parse::<Target>().unwrap();
        let place = |file: &str, line| Target::Place { file: file.into(), line };
        assert_eq!(parse("shop/pricing.py:41"), place("shop/pricing.py", 41));
        assert_eq!(parse("./shop/pricing.py:41"), place("shop/pricing.py", 41));
        assert_eq!(parse("shop.pricing.apply"), Target::Name("shop.pricing.apply".into()));
        assert_eq!(parse("shop:apply"), Target::Name("shop:apply".into()));
        assert!("".parse::<Target>().is_err());
    }
}
