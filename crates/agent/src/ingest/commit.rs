//! The one thread that makes windows durable.
//!
//! Everything that arrives passes through here in order, still encoded, and is decoded when it is
//! stored: what waits stays as small as it came. Windows are committed in groups, at most every
//! [`GROUP_TIME`]; one that comes after a pause is committed at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use forksight_columns::renumber;
use forksight_store::{Batch, Error as StoreError};
use forksight_wire::window::Window;
use prost::Message;
use tokio::sync::OwnedSemaphorePermit;

use super::define::{self, Definitions};
use super::peer::{ConnectionId, Peer};
use crate::state::State;

/// The least time between two commits.
const GROUP_TIME: Duration = Duration::from_millis(200);
/// The most windows in one commit.
const GROUP_WINDOWS: usize = 64;
/// The size at which a group is committed, in encoded bytes.
const GROUP_BYTES: usize = 4 << 20;
/// Waiting times between attempts to write to a store that does not take anything.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// The most strings in a window: short ones take far more memory than bytes on the wire.
const MAX_STRINGS: usize = 1 << 16;

/// What connections hand over.
#[derive(Debug)]
pub(crate) enum Job {
    /// Functions that later windows of the connection mention.
    Define { peer: Arc<Peer>, payload: Vec<u8>, permit: OwnedSemaphorePermit },
    /// A window.
    Window { peer: Arc<Peer>, payload: Vec<u8>, permit: OwnedSemaphorePermit },
    /// Commit soon.
    Flush,
    /// The connection has ended.
    Close(ConnectionId),
    /// Commit what there is and end.
    Stop,
}

/// Why the thread has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// The store is damaged; what was not acknowledged comes again.
    Damaged(String),
}

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Committer {
    state: Arc<State>,
    jobs: Receiver<Job>,
    definitions: HashMap<ConnectionId, Definitions>,
    group: Vec<Pending>,
    group_bytes: usize,
    /// Commit as soon as nothing more is at hand.
    hurry: bool,
    /// Connections that have ended; windows of theirs may still be in the group.
    closed: Vec<ConnectionId>,
    last_commit: Option<Instant>,
}

/// A window that waits to be committed.
#[derive(Debug)]
struct Pending {
    peer: Arc<Peer>,
    payload: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

/// What is to be answered once a group is durable.
#[derive(Debug, Default)]
struct Answers(HashMap<ConnectionId, (Arc<Peer>, u64, u32)>);

impl Committer {
    pub(super) fn new(state: Arc<State>, jobs: Receiver<Job>) -> Self {
        Self {
            state,
            jobs,
            definitions: HashMap::new(),
            group: Vec::new(),
            group_bytes: 0,
            hurry: false,
            closed: Vec::new(),
            last_commit: None,
        }
    }

    /// Works until it is asked to end.
    pub(super) fn run(mut self) -> Ended {
        loop {
            let job = match self.wait() {
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => self.jobs.recv_timeout(wait),
            };
            let done = match job {
                Ok(Job::Window { peer, payload, permit }) => {
                    self.group_bytes += payload.len();
                    self.group.push(Pending { peer, payload, _permit: permit });
                    if self.group.len() >= GROUP_WINDOWS || self.group_bytes >= GROUP_BYTES {
                        self.commit()
                    } else {
                        Ok(())
                    }
                }
                Ok(Job::Define { peer, payload, permit }) => {
                    let done = self.define(&peer, &payload);
                    drop(permit);
                    done
                }
                Ok(Job::Flush) => {
                    self.hurry = true;
                    Ok(())
                }
                Ok(Job::Close(id)) => {
                    self.closed.push(id);
                    if self.group.is_empty() { self.commit() } else { Ok(()) }
                }
                Err(RecvTimeoutError::Timeout) => self.commit(),
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    return self.commit().err().unwrap_or(Ended::Stopped);
                }
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    /// How long to wait for another job before committing; `None` for ever.
    fn wait(&self) -> Option<Duration> {
        if self.group.is_empty() {
            return None;
        }
        if self.hurry {
            return Some(Duration::ZERO);
        }
        let since = self.last_commit.map_or(GROUP_TIME, |last| last.elapsed());
        Some(GROUP_TIME.saturating_sub(since))
    }

    /// Makes the group durable and acknowledges it.
    fn commit(&mut self) -> Result<(), Ended> {
        if !self.group.is_empty() {
            let group = std::mem::take(&mut self.group);
            self.store(&group)?;
            self.last_commit = Some(Instant::now());
        }
        self.group_bytes = 0;
        self.hurry = false;
        for id in self.closed.drain(..) {
            self.definitions.remove(&id);
        }
        Ok(())
    }

    fn store(&self, group: &[Pending]) -> Result<(), Ended> {
        let counters = &self.state.counters;
        let mut left_out = Vec::new();
        let (appended, answers, refused, undefined) = self.persist(|| {
            let mut answers = Answers::default();
            let mut batches = Vec::with_capacity(group.len());
            let (mut refused, mut undefined) = (0, 0);
            for pending in group {
                let Some((batch, lost_rows)) = self.decode(pending, &mut answers) else {
                    refused += 1;
                    continue;
                };
                undefined += lost_rows;
                if left_out.contains(&(batch.instance.to_string(), batch.window.seq)) {
                    refused += 1;
                } else {
                    batches.push(batch);
                }
            }
            match self.state.store.append(batches) {
                Ok(appended) => Ok((appended, answers, refused, undefined)),
                Err(error) => {
                    if let StoreError::Malformed { instance, seq, .. } = &error {
                        left_out.push((instance.clone(), *seq));
                    }
                    Err(error)
                }
            }
        })?;
        counters.windows.add(appended.stored);
        counters.repeated.add(appended.repeated);
        counters.refused.add(refused);
        counters.undefined_rows.add(undefined);
        for (peer, seq, windows) in answers.0.into_values() {
            peer.ack(seq, windows);
        }
        Ok(())
    }

    /// The window as it is stored, and how many rows were left out of it; `None` where it is
    /// refused.
    fn decode(&self, pending: &Pending, answers: &mut Answers) -> Option<(Batch, u64)> {
        let peer = &pending.peer;
        let window = Window::decode(&pending.payload[..]).ok().filter(|window| window.seq > 0);
        let Some(mut window) = window else {
            // It has no number that could be acknowledged, so it would come again for ever.
            answers.note(peer, 0);
            peer.reject("window does not decode", 0);
            return None;
        };
        answers.note(peer, window.seq);
        if window.strings.len() > MAX_STRINGS {
            return None;
        }
        let definitions = self.definitions.get(&peer.id);
        let number = |wire| definitions.and_then(|known| known.number(wire));
        let undefined = renumber(&mut window, number).ok()?;
        let batch = Batch {
            service: peer.service.clone(),
            version: peer.version.clone(),
            instance: peer.instance.clone(),
            epoch: peer.hello.epoch,
            window,
        };
        Some((batch, undefined))
    }

    fn define(&mut self, peer: &Arc<Peer>, payload: &[u8]) -> Result<(), Ended> {
        let mut chunks = define::chunks(payload);
        while let Some(chunk) = chunks.next() {
            let functions = &chunk.functions;
            let ids = self.persist(|| self.state.store.define(&peer.service, functions))?;
            let known = self.definitions.get(&peer.id);
            let changed = known.is_some_and(|known| known.would_change(&chunk.numbers, &ids));
            if changed && self.group.iter().any(|pending| pending.peer.id == peer.id) {
                // Windows mean the functions as they were when they were sent.
                self.commit()?;
            }
            let all = self.definitions.values().map(Definitions::len).sum();
            let known = self.definitions.entry(peer.id).or_default();
            let refused = known.insert(&chunk.numbers, &ids, all);
            self.state.counters.refused_definitions.add(refused);
        }
        self.state.counters.refused_definitions.add(chunks.refused);
        if chunks.broken {
            peer.reject("definition does not decode", 0);
        }
        Ok(())
    }

    /// Does `work` with the store, again and again while the store does not take anything, which
    /// the status then says. Sensors are not acknowledged meanwhile, so they send no more.
    fn persist<T>(&self, mut work: impl FnMut() -> Result<T, StoreError>) -> Result<T, Ended> {
        let [mut wait, longest] = RETRY;
        loop {
            match work() {
                Ok(done) => {
                    self.state.health.sound();
                    return Ok(done);
                }
                // The next attempt is made without it.
                Err(StoreError::Malformed { .. }) => continue,
                Err(StoreError::Damaged { detail, .. }) => return Err(Ended::Damaged(detail)),
                Err(error) => self.state.health.failing(&error),
            }
            if self.state.stopping.wait(wait) {
                return Err(Ended::Stopped);
            }
            wait = (wait * 2).min(longest);
        }
    }
}

impl Answers {
    /// Notes that a window of `peer` will be answered.
    fn note(&mut self, peer: &Arc<Peer>, seq: u64) {
        let (_, highest, windows) = self.0.entry(peer.id).or_insert_with(|| (peer.clone(), 0, 0));
        *highest = seq.max(*highest);
        *windows += 1;
    }
}
