use forksight_store::{Process, Store};

use crate::Result;
use crate::answer::{AgentRow, ProcessRow, Status, StoreRow};
use crate::time::rfc3339;

/// What is known of the processes and of the store, with the facts about the agent that only it or
/// its caller knows.
pub fn status(store: &dyn Store, agent: Option<AgentRow>, service: Option<&str>) -> Result<Status> {
    let mut processes: Vec<_> = store
        .processes()?
        .iter()
        .filter(|process| service.is_none_or(|service| process.hello.service == service))
        .map(process_row)
        .collect();
    // The store gives the ones seen last first; the sort is stable.
    processes.sort_by_key(|process| process.state == GONE);
    let stats = store.stats()?;
    let store = StoreRow {
        bytes: stats.bytes,
        ceiling_bytes: (stats.ceiling_bytes > 0).then_some(stats.ceiling_bytes),
        oldest: stats.oldest_ms.map(rfc3339),
        windows_expired: stats.windows_expired,
        windows_evicted: stats.windows_evicted,
    };
    Ok(Status { agent, processes, store: Some(store) })
}

const GONE: &str = "gone";

fn process_row(process: &Process) -> ProcessRow {
    let hello = &process.hello;
    let status = process.status.clone().unwrap_or_default();
    let state = match (process.connected, status.state.is_empty()) {
        (false, _) => GONE,
        (true, true) => "starting",
        (true, false) => &status.state,
    };
    ProcessRow {
        pid: hello.pid,
        service: hello.service.clone(),
        version: hello.version.clone(),
        instance: hello.instance.clone(),
        runtime: hello.runtime.clone(),
        program: hello.program.clone(),
        state: state.into(),
        reason: status.reason,
        detail: status.detail,
        overhead_pct: percent(u64::from(status.overhead_ppm), 1_000_000),
        overhead_total_pct: percent(status.sensor_cpu_ns, status.process_cpu_ns),
        budget_pct: (status.cpu_budget_ppm > 0)
            .then(|| percent(u64::from(status.cpu_budget_ppm), 1_000_000)),
        memory_bytes: status.memory_bytes,
        bytes_per_s: status.bytes_per_s,
        functions: status.functions,
        shed: status.shed.into_iter().collect(),
        blind_spots: status.blind_spots,
        last_seen: rfc3339(process.last_seen_ms),
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
