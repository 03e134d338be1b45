//! What the agent does by itself: upkeep and detection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::state::{State, now_ms, stopped};

/// The time between two rounds of upkeep.
const ROUND: Duration = Duration::from_secs(1);

/// Works until `stop` is set.
pub(crate) async fn work(state: Arc<State>, mut stop: watch::Receiver<bool>) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = stopped(&mut stop) => break,
        }
        let state = state.clone();
        if let Err(error) = spawn_blocking(move || upkeep(&state)).await {
            tracing::error!(%error, "upkeep has panicked");
        }
    }
    // What is known of the processes now is all that readers have until the next agent.
    let _ = spawn_blocking(move || state.processes.keep(&*state.store)).await;
}

fn upkeep(state: &State) {
    state.meter.read(state.counters.windows.get());
    if let Err(error) = state.processes.keep(&*state.store) {
        state.health.upkeep(Some(&error));
        return;
    }
    // Leaves room between pieces for windows to be appended.
    let deadline = Instant::now() + ROUND / 2;
    loop {
        match state.store.maintain(now_ms()) {
            Ok(done) if done.more && Instant::now() < deadline => {}
            Ok(_) => return state.health.upkeep(None),
            Err(error) => return state.health.upkeep(Some(&error)),
        }
    }
}
