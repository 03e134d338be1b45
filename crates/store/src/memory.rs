//! The model of a store: everything in memory, nothing clever.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forksight_columns::definition;
use forksight_columns::fold_into;
use forksight_model::Name;
use forksight_model::aggregate::Aggregate;
use forksight_model::function::{Function, FunctionId};
use forksight_wire::window::Window;

use crate::record::{
    Appended, Batch, Finding, FindingState, Instance, Maintenance, Process, Service, Stats, Version,
};
use crate::selection::{BlockInfo, Group, GroupKey, Grouping, Level, Selection};
use crate::{Error, Result, Store};

/// A store in memory: for tests, and as the model that other stores are compared with. It never
/// folds or deletes anything.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    functions: Vec<(Name, Arc<Function>)>,
    numbers: HashMap<Identity, FunctionId>,
    windows: Vec<(Name, BlockInfo, Window)>,
    durable: HashMap<(Name, u64), u64>,
    processes: BTreeMap<String, Process>,
    findings: BTreeMap<Name, Finding>,
    settings: BTreeMap<String, String>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes two definitions the same function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) service: Name,
    pub(crate) language: Name,
    pub(crate) file: Name,
    pub(crate) name: Name,
    pub(crate) line: u32,
    pub(crate) body_hash: u64,
    /// Outcomes are counted by position, so equal code read with and without its source, which
    /// has other decisions, is not the same function.
    pub(crate) layout: u64,
}

impl Identity {
    pub(crate) fn of(service: &str, function: &Function) -> Self {
        Self {
            service: service.into(),
            language: function.language.clone(),
            file: function.file.clone(),
            name: function.name.clone(),
            line: function.line,
            body_hash: function.body_hash,
            layout: layout(function),
        }
    }
}

/// FNV-1a over the names of the arguments and the kinds and outcomes of the decisions. Part of the
/// store format.
fn layout(function: &Function) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for argument in &function.arguments {
        feed(argument.as_bytes());
    }
    for decision in &function.decisions {
        feed(&[0xfe, decision.kind as u8]);
        for outcome in &decision.outcomes {
            feed(outcome.name.as_bytes());
        }
    }
    hash
}

/// `functions` within the limits of what a store keeps.
pub(crate) fn bounded(functions: &[Function]) -> Result<Vec<Function>> {
    let bound = |(index, function)| {
        definition::from_wire(&definition::to_wire(1, function))
            .map_err(|reason| Error::Refused { index, reason })
    };
    functions.iter().enumerate().map(bound).collect()
}

/// The end of the year 9999: later times are taken for it.
const LAST_MS: u64 = 253_402_300_799_999;

/// The windows of `batches` in an order in which none is taken for a repetition, checked.
pub(crate) fn in_order(mut batches: Vec<Batch>) -> Result<Vec<Batch>> {
    for batch in &batches {
        batch.window.check().map_err(|malformed| Error::Malformed {
            instance: batch.instance.to_string(),
            seq: batch.window.seq,
            family: malformed.family,
        })?;
    }
    for batch in &mut batches {
        batch.window.start_ms = batch.window.start_ms.min(LAST_MS);
    }
    batches.sort_by_key(|batch| batch.window.seq);
    Ok(batches)
}

impl Store for Memory {
    fn define(&self, service: &str, functions: &[Function]) -> Result<Vec<FunctionId>> {
        let functions = bounded(functions)?;
        let state = &mut *self.state();
        let mut ids = Vec::with_capacity(functions.len());
        for function in functions {
            let next = FunctionId(state.functions.len() as u32 + 1);
            let id = *state.numbers.entry(Identity::of(service, &function)).or_insert(next);
            let known = (service.into(), Arc::new(function));
            if id == next {
                state.functions.push(known);
            } else {
                state.functions[id.0 as usize - 1] = known;
            }
            ids.push(id);
        }
        Ok(ids)
    }

    fn function(&self, id: FunctionId) -> Result<Option<Arc<Function>>> {
        let state = self.state();
        let index = (id.0 as usize).checked_sub(1);
        Ok(index.and_then(|index| state.functions.get(index)).map(|(_, f)| f.clone()))
    }

    fn functions(
        &self,
        service: &str,
        version: Option<&str>,
    ) -> Result<Vec<(FunctionId, Arc<Function>)>> {
        let state = self.state();
        let mentioned: Option<BTreeSet<u32>> = version.map(|version| {
            let of_version = |(name, block, _): &&(Name, BlockInfo, Window)| {
                &**name == service && &*block.version == version
            };
            let windows = state.windows.iter().filter(of_version);
            windows
                .filter_map(|(_, _, w)| Some(&w.functions.as_ref()?.function))
                .flatten()
                .copied()
                .collect()
        });
        let functions = state.functions.iter().zip(1..).filter(|((owner, _), number)| {
            &**owner == service && mentioned.as_ref().is_none_or(|set| set.contains(number))
        });
        Ok(functions.map(|((_, f), number)| (FunctionId(number), f.clone())).collect())
    }

    fn append(&self, batches: Vec<Batch>) -> Result<Appended> {
        let batches = in_order(batches)?;
        let state = &mut *self.state();
        let mut appended = Appended::default();
        for Batch { service, version, instance, epoch, window } in batches {
            let durable = state.durable.entry((instance.clone(), epoch)).or_default();
            if window.seq <= *durable {
                appended.repeated += 1;
                continue;
            }
            *durable = window.seq;
            appended.stored += 1;
            let block = BlockInfo {
                level: Level::Window,
                version,
                instance: Some(instance),
                start_ms: window.start_ms,
                end_ms: window.start_ms.saturating_add(u64::from(window.duration_ms)),
                windows: 1,
            };
            state.windows.push((service, block, window));
        }
        Ok(appended)
    }

    fn durable_seq(&self, instance: &str, epoch: u64) -> Result<u64> {
        Ok(self.state().durable.get(&(instance.into(), epoch)).copied().unwrap_or(0))
    }

    fn services(&self) -> Result<Vec<Service>> {
        let mut services: BTreeMap<Name, BTreeMap<Name, BTreeMap<Name, Instance>>> =
            BTreeMap::new();
        for (service, block, _) in &self.state().windows {
            let Some(id) = block.instance.clone() else { continue };
            let versions = services.entry(service.clone()).or_default();
            let instances = versions.entry(block.version.clone()).or_default();
            let instance = instances.entry(id.clone()).or_insert(Instance {
                id,
                first_seen_ms: block.start_ms,
                last_seen_ms: block.end_ms,
            });
            instance.first_seen_ms = instance.first_seen_ms.min(block.start_ms);
            instance.last_seen_ms = instance.last_seen_ms.max(block.end_ms);
        }
        let version = |(name, instances): (Name, BTreeMap<Name, Instance>)| {
            let mut instances: Vec<_> = instances.into_values().collect();
            instances.sort_by(|a, b| (a.first_seen_ms, &a.id).cmp(&(b.first_seen_ms, &b.id)));
            Version {
                name,
                first_seen_ms: instances.iter().map(|i| i.first_seen_ms).min().unwrap_or(0),
                last_seen_ms: instances.iter().map(|i| i.last_seen_ms).max().unwrap_or(0),
                instances,
            }
        };
        Ok(services
            .into_iter()
            .map(|(name, versions)| {
                let mut versions: Vec<_> = versions.into_iter().map(version).collect();
                versions
                    .sort_by(|a, b| (a.first_seen_ms, &a.name).cmp(&(b.first_seen_ms, &b.name)));
                Service { name, versions }
            })
            .collect())
    }

    fn put_processes(&self, processes: &[Process]) -> Result<()> {
        let mut state = self.state();
        for process in processes {
            let mut process = process.clone();
            process.hello.token.clear();
            state.processes.insert(process.hello.instance.clone(), process);
        }
        Ok(())
    }

    fn processes(&self) -> Result<Vec<Process>> {
        let mut processes: Vec<_> = self.state().processes.values().cloned().collect();
        processes.sort_by_key(|process| std::cmp::Reverse(process.last_seen_ms));
        Ok(processes)
    }

    fn fold(
        &self,
        selection: &Selection,
        visit: &mut dyn FnMut(&BlockInfo, Window) -> ControlFlow<()>,
    ) -> Result<()> {
        // Copied, so that `visit` may use the store.
        let mut blocks: Vec<_> = self
            .state()
            .windows
            .iter()
            .filter(|(service, block, _)| *service == selection.service && selection.takes(block))
            .map(|(_, block, window)| (block.clone(), selection.filter.families.of(window)))
            .collect();
        blocks.sort_by_key(|(block, _)| block.start_ms);
        for (block, window) in blocks {
            if visit(&block, window).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn aggregate(&self, selection: &Selection, grouping: Grouping) -> Result<Vec<Group>> {
        let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
        self.fold(selection, &mut |block, window| {
            let group = groups
                .entry(grouping.key(block))
                .or_insert_with_key(|key| Group::new(key.clone(), block));
            group.widen(block);
            // Windows were checked when they came in.
            let _ = fold_into(&window, &selection.filter, &mut group.aggregate, |number| {
                Some(FunctionId(number))
            });
            ControlFlow::Continue(())
        })?;
        Ok(groups.into_values().collect())
    }

    fn put_finding(&self, finding: &Finding) -> Result<()> {
        match self.state().findings.entry(finding.id.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(finding.clone());
            }
            Entry::Occupied(mut slot) => {
                let known = slot.get_mut();
                if known.state != FindingState::Muted {
                    known.state = finding.state;
                }
                known.service = finding.service.clone();
                known.first_seen_ms = known.first_seen_ms.min(finding.first_seen_ms);
                known.last_seen_ms = known.last_seen_ms.max(finding.last_seen_ms);
                known.document = finding.document.clone();
            }
        }
        Ok(())
    }

    fn set_finding_state(&self, id: &str, state: FindingState) -> Result<bool> {
        let mut store = self.state();
        let finding = store.findings.get_mut(id);
        Ok(finding.map(|finding| finding.state = state).is_some())
    }

    fn finding(&self, id: &str) -> Result<Option<Finding>> {
        Ok(self.state().findings.get(id).cloned())
    }

    fn findings(&self, service: Option<&str>) -> Result<Vec<Finding>> {
        let state = self.state();
        let of_service = |f: &&Finding| service.is_none_or(|service| &*f.service == service);
        let mut findings: Vec<_> = state.findings.values().filter(of_service).cloned().collect();
        findings.sort_by(|a, b| (b.last_seen_ms, &a.id).cmp(&(a.last_seen_ms, &b.id)));
        Ok(findings)
    }

    fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(self.state().settings.get(key).cloned())
    }

    fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        self.state().settings.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn maintain(&self, _now_ms: u64) -> Result<Maintenance> {
        Ok(Maintenance::default())
    }

    fn stats(&self) -> Result<Stats> {
        let state = self.state();
        Ok(Stats {
            blocks: [state.windows.len() as u64, 0, 0, 0, 0],
            oldest_ms: state.windows.iter().map(|(_, block, _)| block.start_ms).min(),
            ..Stats::default()
        })
    }
}

impl Selection {
    /// Whether `block`, of the service, is selected.
    pub(crate) fn takes(&self, block: &BlockInfo) -> bool {
        (self.from_ms..self.to_ms).contains(&block.start_ms)
            && self.version.as_ref().is_none_or(|version| *version == block.version)
            && self.instances.as_ref().is_none_or(|instances| {
                block.instance.as_ref().is_some_and(|instance| instances.contains(instance))
            })
    }
}

impl Group {
    /// A group that begins with `block`, and has nothing in it yet.
    pub(crate) fn new(key: GroupKey, block: &BlockInfo) -> Self {
        let (from_ms, to_ms) = (block.start_ms, block.end_ms);
        Self { key, from_ms, to_ms, windows: 0, aggregate: Aggregate::default() }
    }

    /// Takes the time and the windows of `block` in.
    pub(crate) fn widen(&mut self, block: &BlockInfo) {
        self.from_ms = self.from_ms.min(block.start_ms);
        self.to_ms = self.to_ms.max(block.end_ms);
        self.windows += block.windows;
    }
}
