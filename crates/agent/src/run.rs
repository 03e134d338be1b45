//! The agent from start to end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forksight_store::{Error as StoreError, FILE, Recovered, Sqlite, Store};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::ingest::{self, Ended};
use crate::processes::forget_connections;
use crate::state::{State, lock, now_ms};
use crate::{Config, Endpoint, Error, Ready, Result, endpoint, http, place, tasks};

/// How often an agent begins anew after a fault of its own before it gives up.
const RESTARTS: u32 = 5;

/// Runs the agent until it is asked to end by SIGTERM or SIGINT, or is not used any more
/// ([`Config::idle_exit`]); calls `ready` once it answers.
///
/// # Errors
///
/// [`Error`] where it cannot start; [`Error::exit_status`] is what to exit with.
pub fn run(config: &Config, ready: impl FnOnce(&Ready)) -> Result<()> {
    if let Some(address) = config.listen.filter(|address| !address.ip().is_loopback()) {
        return Err(Error::NotLoopback { address });
    }
    let data_dir = place::make_data_dir(&config.data_dir)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("forksight-agent")
        .enable_all()
        .build()
        .map_err(Error::io("start", "the runtime"))?;
    let mut ready = Some(ready);
    let mut announce = |now: &Ready| {
        if let Some(ready) = ready.take() {
            ready(now);
        }
    };
    let mut found_before = None;
    for _ in 0..RESTARTS {
        let (store, recovered) = open(&data_dir, config, found_before.take())?;
        match runtime.block_on(serve(&data_dir, config, store, recovered, &mut announce))? {
            Some(Ended::Stopped) => {
                runtime.shutdown_timeout(Duration::from_secs(2));
                return Ok(());
            }
            Some(Ended::Damaged(detail)) => {
                tracing::error!(detail, "the store is damaged; beginning anew");
                found_before = Some(detail);
            }
            None => tracing::error!("the committing thread has panicked; beginning anew"),
        }
    }
    Err(Error::Failing)
}

/// Opens the store for writing; a damaged one is moved aside, also one whose damage was found at
/// work and would not be found by opening it.
fn open(
    data_dir: &Path,
    config: &Config,
    damage: Option<String>,
) -> Result<(Sqlite, Option<Recovered>)> {
    let (store, recovered) = open_free(data_dir, config)?;
    match damage {
        Some(detail) if recovered.is_none() => {
            // The directory is held while the files are moved.
            let moved_to = data_dir.join(format!("{FILE}.damaged-{}", now_ms()));
            for suffix in ["-wal", "-shm", ""] {
                let from = data_dir.join(format!("{FILE}{suffix}"));
                let mut to = moved_to.clone().into_os_string();
                to.push(suffix);
                if from.exists() {
                    std::fs::rename(&from, to).map_err(Error::io("move", from.display()))?;
                }
            }
            drop(store);
            let (store, _) = open_free(data_dir, config)?;
            Ok((store, Some(Recovered { moved_to, detail })))
        }
        _ => Ok((store, recovered)),
    }
}

/// Opens the store once no question of this process, asked before it began anew, holds it any
/// more.
fn open_free(data_dir: &Path, config: &Config) -> Result<(Sqlite, Option<Recovered>)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Sqlite::open_or_recover(data_dir, config.policy.clone()) {
            Err(StoreError::Locked { holder, .. })
                if holder.pid == std::process::id() && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return Ok(opened?),
        }
    }
}

async fn serve(
    data_dir: &Path,
    config: &Config,
    store: Sqlite,
    recovered: Option<Recovered>,
    announce: &mut impl FnMut(&Ready),
) -> Result<Option<Ended>> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("await", "signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::io("await", "signals"))?;
    let http = http::bind(&config.addresses()).await?;
    let socket = place::make_socket_path(data_dir)?;
    let listener = ingest::listen(&socket)?;
    let endpoint = Endpoint {
        pid: std::process::id(),
        socket,
        http: http.local_addr().map_err(Error::io("listen", "for HTTP"))?,
        version: env!("CARGO_PKG_VERSION").into(),
        started_ms: now_ms(),
        data_dir: data_dir.to_owned(),
    };
    let store: Arc<dyn Store> = Arc::new(store);
    if let Err(error) = forget_connections(&*store) {
        tracing::warn!(%error, "cannot mark processes as gone");
    }
    let state = Arc::new(State::new(endpoint.clone(), store));
    if let Some(Recovered { moved_to, detail }) = &recovered {
        let text = format!(
            "the store was damaged ({detail}) and has been moved to {}; recording began anew",
            moved_to.display()
        );
        tracing::error!("{text}");
        *lock(&state.health.recovered) = Some(text);
    }
    let (stop, stopped) = watch::channel(false);
    let server = ingest::Server::new(listener, state.clone(), config)?;
    let mut taking = tokio::spawn(server.serve(stopped.clone()));
    let answering = tokio::spawn(http::serve(http, state.clone(), stopped.clone()));
    let working = tokio::spawn(tasks::work(state.clone(), stopped.clone()));
    endpoint::publish(&endpoint)?;
    announce(&Ready { endpoint: endpoint.clone(), recovered });
    tracing::info!(
        http = %endpoint.http, socket = %endpoint.socket.display(), pid = endpoint.pid, "ready"
    );

    let ended = tokio::select! {
        ended = &mut taking => Some(ended),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = unused(&state, config.idle_exit) => None,
    };
    endpoint::retract(&endpoint);
    // Nobody can find it any more, so nobody is turned away.
    let _ = std::fs::remove_file(&endpoint.socket);
    // Nothing waits where all that listened has ended.
    let _ = stop.send(true);
    let ended = match ended {
        Some(ended) => ended,
        None => taking.await,
    };
    state.stopping.set();
    let _ = tokio::join!(answering, working);
    tracing::info!(windows = state.counters.windows.get(), "stopped");
    Ok(ended.ok().flatten())
}

/// Waits until nobody has used the agent for `time`; for ever if there is none.
async fn unused(state: &State, time: Option<Duration>) {
    let Some(time) = time else { return std::future::pending().await };
    loop {
        let unused = state.unused_for();
        if unused >= time {
            tracing::info!(seconds = time.as_secs(), "nobody has used the agent");
            return;
        }
        tokio::time::sleep((time - unused).max(Duration::from_millis(20))).await;
    }
}

/// Every sensor takes an open file.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With the old limit fewer sensors can be connected; nothing else changes.
    let _ = setrlimit(Resource::Nofile, limit);
}
