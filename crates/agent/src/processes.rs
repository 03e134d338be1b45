//! The processes that are observed.

use std::collections::HashMap;
use std::sync::Mutex;

use forksight_columns::definition::clean;
use forksight_model::Name;
use forksight_store::{Process, Store};
use forksight_wire::message::Status;

use crate::ingest::{ConnectionId, Peer};
use crate::state::{lock, now_ms};

/// The most reasons or blind spots kept of a process.
const MAX_LISTED: usize = 64;

/// The most processes known here while the store does not take those that have gone.
const MAX_KNOWN: usize = 4096;

/// The processes that are connected, and those whose end is not yet kept.
#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<HashMap<Name, Known>>);

#[derive(Debug)]
struct Known {
    connection: ConnectionId,
    process: Process,
    changed: bool,
}

impl Processes {
    pub(crate) fn connect(&self, peer: &Peer) {
        let mut known = lock(&self.0);
        if known.len() >= MAX_KNOWN {
            known.retain(|_, known| known.process.connected);
        }
        let status = known.remove(&peer.instance).and_then(|known| known.process.status);
        let hello = peer.hello.clone();
        let process = Process { hello, status, connected: true, last_seen_ms: now_ms() };
        let connection = peer.id;
        known.insert(peer.instance.clone(), Known { connection, process, changed: true });
    }

    /// Takes in what a process says of itself.
    pub(crate) fn update(&self, peer: &Peer, status: Status) {
        let mut known = lock(&self.0);
        if let Some(known) = known.get_mut(&peer.instance)
            && known.connection == peer.id
        {
            known.process.status = Some(bounded(status));
            known.process.last_seen_ms = now_ms();
            known.changed = true;
        }
    }

    pub(crate) fn disconnect(&self, peer: &Peer) {
        let mut known = lock(&self.0);
        // It may have connected again before its old connection was found to be gone.
        if let Some(known) = known.get_mut(&peer.instance)
            && known.connection == peer.id
        {
            known.process.connected = false;
            known.process.last_seen_ms = now_ms();
            known.changed = true;
        }
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        lock(&self.0).values().filter(|known| known.process.connected).count()
    }

    /// Keeps in `store` what has changed since the last time.
    pub(crate) fn keep(&self, store: &dyn Store) -> forksight_store::Result<()> {
        let changed: Vec<Process> = lock(&self.0)
            .values_mut()
            .filter_map(|known| std::mem::take(&mut known.changed).then(|| known.process.clone()))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let kept = store.put_processes(&changed);
        let mut known = lock(&self.0);
        if kept.is_err() {
            for process in &changed {
                if let Some(known) = known.get_mut(process.hello.instance.as_str()) {
                    known.changed = true;
                }
            }
        }
        known.retain(|_, known| known.process.connected || known.changed);
        kept
    }
}

/// `status` with names that can be shown, and no more of them than are looked at.
fn bounded(status: Status) -> Status {
    let text = |text: &String| clean(text).to_string();
    Status {
        state: text(&status.state),
        reason: text(&status.reason),
        detail: text(&status.detail),
        shed: status.shed.iter().take(MAX_LISTED).map(|(what, n)| (text(what), *n)).collect(),
        blind_spots: status.blind_spots.iter().take(MAX_LISTED).map(text).collect(),
        ..status
    }
}

/// Marks processes as gone that an agent before this one left as connected.
pub(crate) fn forget_connections(store: &dyn Store) -> forksight_store::Result<()> {
    let mut left: Vec<Process> =
        store.processes()?.into_iter().filter(|process| process.connected).collect();
    for process in &mut left {
        process.connected = false;
    }
    if left.is_empty() { Ok(()) } else { store.put_processes(&left) }
}
