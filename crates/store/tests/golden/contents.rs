//! What the golden stores hold. Never change it: add another for the next schema version.

use forksight_model::function::FunctionId;
use forksight_store::{Finding, FindingState, Policy, Process, Sqlite, Store, conformance};
use forksight_wire::message::{Hello, Status};

/// Writes it into a fresh store.
pub fn write(dir: &std::path::Path) {
    let store = Sqlite::open_writer_with(dir, Policy::default()).unwrap();
    let functions = [conformance::function("f", 41), conformance::function("g", 60)];
    let ids = store.define("shop", &functions).unwrap();
    assert_eq!(ids, [FunctionId(1), FunctionId(2)]);
    for seq in 1..=30 {
        let calls = [(ids[0], seq * 100), (ids[1], seq)];
        let old = conformance::batch("v1", "a", seq, seq * 10_000, &calls);
        let new = conformance::batch("v2", "b", seq, 3_600_000 + seq * 10_000, &calls[..1]);
        store.append(vec![old, new]).unwrap();
    }
    store
        .put_processes(&[Process {
            hello: Hello {
                instance: "b".into(),
                pid: 77,
                service: "shop".into(),
                ..Hello::default()
            },
            status: Some(Status { state: "observing".into(), ..Status::default() }),
            connected: true,
            last_seen_ms: 3_900_000,
        }])
        .unwrap();
    store
        .put_finding(&Finding {
            id: "f-1".into(),
            service: "shop".into(),
            state: FindingState::Open,
            first_seen_ms: 3_600_000,
            last_seen_ms: 3_900_000,
            document: r#"{"kind":"new-error"}"#.into(),
        })
        .unwrap();
    store.set_finding_state("f-1", FindingState::Muted).unwrap();
    store.set_setting("example", "value").unwrap();
    // Folds the windows of v1 into minutes; those of v2 are too young.
    while store.maintain(3_600_000).unwrap().more {}
}
