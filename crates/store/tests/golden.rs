//! Stores of every schema version that was ever released open, with all that was in them.
//!
//! `cargo run -p forksight-store --example write_golden_store -- DIR` writes one.

#[path = "golden/contents.rs"]
mod contents;

use forksight_model::aggregate::Weighted;
use forksight_model::function::FunctionId;
use forksight_store::{
    FILE, FindingState, Grouping, Level, SCHEMA, Selection, Sqlite, Store, conformance,
};

const SCHEMA_1: &[u8] = include_bytes!("golden/schema-1.db");

fn holds_what_was_written(store: &Sqlite) {
    let functions = store.functions("shop", None).unwrap();
    assert_eq!(functions.len(), 2);
    assert_eq!(functions[0].0, FunctionId(1));
    assert_eq!(*functions[0].1, conformance::function("f", 41));
    let of_v2 = store.functions("shop", Some("v2")).unwrap();
    assert_eq!(of_v2.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1]);

    let groups = store.aggregate(&Selection::service("shop"), Grouping::INSTANCE).unwrap();
    let text: Vec<_> = groups
        .iter()
        .map(|g| {
            let key = (g.key.version.as_deref().unwrap(), g.key.instance.as_deref().unwrap());
            let f = &g.aggregate.functions[&FunctionId(1)];
            (key, g.windows, f.calls, f.outcomes[&1].n, f.latency.count())
        })
        .collect();
    // 100 + 200 + … + 3000, a quarter of them by outcome 1.
    let (calls, quarter) = (46_500, 11_625);
    assert_eq!(
        text,
        [
            (("v1", "a"), 30, Weighted::exact(calls), quarter, calls),
            (("v2", "b"), 30, Weighted::exact(calls), quarter, calls),
        ]
    );
    let minutes = store.stats().unwrap().blocks[Level::Minute as usize];
    assert_eq!(minutes, 6, "ten seconds to five minutes and ten seconds");
    assert_eq!(store.durable_seq("a", 1).unwrap(), 30);

    let processes = store.processes().unwrap();
    assert_eq!((processes.len(), processes[0].hello.pid), (1, 77));
    assert_eq!(processes[0].status.as_ref().unwrap().state, "observing");
    let finding = store.finding("f-1").unwrap().unwrap();
    assert_eq!((finding.state, finding.first_seen_ms), (FindingState::Muted, 3_600_000));
    assert_eq!(store.setting("example").unwrap().as_deref(), Some("value"));
}

#[test]
fn schema_1_opens() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), SCHEMA_1).unwrap();
    if SCHEMA == 1 {
        holds_what_was_written(&Sqlite::open_reader(dir.path()).unwrap());
    }
    let store = Sqlite::open_writer(dir.path()).unwrap();
    holds_what_was_written(&store);
    let again = store.append(vec![conformance::batch("v1", "a", 30, 300_000, &[])]).unwrap();
    assert_eq!(again.repeated, 1, "what was counted stays counted");
    let same = store.define("shop", &[conformance::function("g", 60)]).unwrap();
    assert_eq!(same, [FunctionId(2)], "functions keep their numbers");
}

#[test]
fn a_store_written_today_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    contents::write(dir.path());
    holds_what_was_written(&Sqlite::open_reader(dir.path()).unwrap());
}
