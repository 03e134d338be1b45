//! What the parts of a running agent share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forksight_store::{Error as StoreError, Store};
use tokio::sync::watch;

use crate::Endpoint;
use crate::processes::Processes;
use crate::report::Meter;

/// What the parts of a running agent share.
pub(crate) struct State {
    pub(crate) endpoint: Endpoint,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) processes: Processes,
    pub(crate) counters: Counters,
    pub(crate) health: Health,
    pub(crate) meter: Meter,
    pub(crate) stopping: Stopping,
    pub(crate) started: Instant,
    last_used: Mutex<Instant>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(endpoint: Endpoint, store: Arc<dyn Store>) -> Self {
        Self {
            endpoint,
            store,
            processes: Processes::default(),
            counters: Counters::default(),
            health: Health::default(),
            meter: Meter::default(),
            stopping: Stopping::default(),
            started: Instant::now(),
            last_used: Mutex::new(Instant::now()),
        }
    }

    /// Notes that somebody uses the agent.
    pub(crate) fn touch(&self) {
        *lock(&self.last_used) = Instant::now();
    }

    /// How long nobody has used the agent.
    pub(crate) fn unused_for(&self) -> Duration {
        if self.processes.connected() > 0 {
            return Duration::ZERO;
        }
        lock(&self.last_used).elapsed()
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Everything guarded by it is whole whenever the lock is free, panics or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happened since the agent started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Windows made durable.
    pub(crate) windows: Counter,
    /// Windows that had been counted before.
    pub(crate) repeated: Counter,
    /// Windows that do not hold together, and were dropped.
    pub(crate) refused: Counter,
    /// Rows about functions that were never defined.
    pub(crate) undefined_rows: Counter,
    /// Function definitions that were not taken in.
    pub(crate) refused_definitions: Counter,
    /// Connections turned away.
    pub(crate) turned_away: Counter,
    /// Payload bytes taken in.
    pub(crate) bytes: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What keeps the agent from doing its work, for people.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Why windows are not being made durable, and since when.
    failing: Mutex<Option<(String, u64)>>,
    /// Why upkeep cannot be done.
    upkeep: Mutex<Option<String>>,
    /// A damaged store that was moved aside.
    pub(crate) recovered: Mutex<Option<String>>,
}

impl Health {
    /// The store takes what it is given.
    pub(crate) fn sound(&self) {
        if let Some((reason, since_ms)) = lock(&self.failing).take() {
            let ms = now_ms().saturating_sub(since_ms);
            tracing::info!(reason, ms, "the store takes windows again");
        }
    }

    /// The store does not take what it is given.
    pub(crate) fn failing(&self, error: &StoreError) {
        let reason = error.to_string();
        let mut failing = lock(&self.failing);
        match &mut *failing {
            Some((known, _)) => *known = reason,
            None => {
                tracing::error!(reason, "windows are not acknowledged until the store takes them");
                *failing = Some((reason, now_ms()));
            }
        }
    }

    /// What became of the last round of upkeep.
    pub(crate) fn upkeep(&self, error: Option<&StoreError>) {
        let mut known = lock(&self.upkeep);
        let reason = error.map(|error| format!("upkeep of the store fails: {error}"));
        if let Some(reason) = reason.as_ref().filter(|_| known.is_none()) {
            tracing::error!("{reason}");
        }
        *known = reason;
    }

    /// What there is to say; nothing while all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        let failing = lock(&self.failing).clone().map(|(reason, _)| {
            format!("windows wait in the sensors, nothing is lost yet: {reason}")
        });
        let upkeep = lock(&self.upkeep).clone();
        failing.into_iter().chain(upkeep).chain(lock(&self.recovered).clone()).collect()
    }
}

/// Lets waiting threads know that the agent stops.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stopping {
    pub(crate) fn set(&self) {
        *lock(&self.set) = true;
        self.changed.notify_all();
    }

    /// Waits this long, or until the agent stops; whether it does.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let set = lock(&self.set);
        let waited = self.changed.wait_timeout_while(set, time, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Waits until the agent stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender outlives all who wait; otherwise there is nothing to wait for either.
    let _ = stop.wait_for(|stop| *stop).await;
}
