//! How the agent itself is.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use forksight_query::answer::AgentRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::state::{State, lock};

/// The agent, in `status`: what it is, and how it is.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct AgentReport {
    #[serde(flatten)]
    pub(crate) agent: AgentRow,
    /// CPU time of the agent over the last seconds, in percent of one core.
    pub(crate) cpu_pct: f64,
    /// Windows made durable per second over the last seconds.
    pub(crate) windows_per_s: f64,
    /// Windows made durable since it began.
    pub(crate) windows: u64,
    /// Windows that came again after they had been counted, and were not counted again.
    pub(crate) windows_repeated: u64,
    /// Windows that do not hold together, and were dropped.
    pub(crate) windows_refused: u64,
    /// Rows of windows about functions that were never defined.
    pub(crate) rows_undefined: u64,
    /// Function definitions that were not taken in.
    pub(crate) definitions_refused: u64,
    /// Connections turned away.
    pub(crate) turned_away: u64,
    /// Payload bytes taken in.
    pub(crate) bytes: u64,
    /// Sensors connected now.
    pub(crate) connected: u64,
    /// What keeps the agent from its work, in words; empty while all is well.
    pub(crate) problems: Vec<String>,
}

/// How far back "the last seconds" go.
const SPAN: Duration = Duration::from_secs(30);

/// Measurements over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<VecDeque<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    cpu: Duration,
    windows: u64,
}

impl Meter {
    /// Takes a reading; call it about once a second.
    pub(crate) fn read(&self, windows: u64) {
        let now = Reading { at: Instant::now(), cpu: cpu_time(), windows };
        let mut readings = lock(&self.0);
        readings.push_back(now);
        while readings.front().is_some_and(|first| now.at - first.at > SPAN) {
            readings.pop_front();
        }
    }

    /// CPU in percent of one core, and windows per second.
    fn rates(&self) -> (f64, f64) {
        let readings = lock(&self.0);
        let (Some(first), Some(last)) = (readings.front(), readings.back()) else {
            return (0.0, 0.0);
        };
        let seconds = (last.at - first.at).as_secs_f64();
        if seconds == 0.0 {
            return (0.0, 0.0);
        }
        let cpu = (last.cpu - first.cpu).as_secs_f64() / seconds * 100.0;
        (cpu, (last.windows - first.windows) as f64 / seconds)
    }
}

/// CPU time of this process since it began.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// What the agent is.
pub(crate) fn agent_row(state: &State) -> AgentRow {
    let endpoint = &state.endpoint;
    AgentRow {
        version: endpoint.version.clone(),
        uptime_s: state.started.elapsed().as_secs(),
        data_dir: endpoint.data_dir.display().to_string(),
        pid: Some(endpoint.pid),
        socket: Some(endpoint.socket.display().to_string()),
        http: Some(format!("http://{}", endpoint.http)),
    }
}

/// What the agent is, and how.
pub(crate) fn report(state: &State) -> AgentReport {
    let (cpu_pct, windows_per_s) = state.meter.rates();
    let counters = &state.counters;
    AgentReport {
        agent: agent_row(state),
        cpu_pct,
        windows_per_s,
        windows: counters.windows.get(),
        windows_repeated: counters.repeated.get(),
        windows_refused: counters.refused.get(),
        rows_undefined: counters.undefined_rows.get(),
        definitions_refused: counters.refused_definitions.get(),
        turned_away: counters.turned_away.get(),
        bytes: counters.bytes.get(),
        connected: state.processes.connected() as u64,
        problems: state.health.problems(),
    }
}
