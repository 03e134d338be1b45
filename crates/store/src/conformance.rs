//! What every store must do, written against the trait alone.
//!
//! [`check`] panics where a store differs. It is part of the library, not of its tests, so that
//! stores in other crates pass the same suite.

use std::ops::ControlFlow;

use forksight_columns::{Families, WindowHeader, definition::Refused, encode};
use forksight_model::aggregate::{Aggregate, FunctionAggregate, Weighted};
use forksight_model::function::{Decision, DecisionKind, Function, FunctionId, Outcome, Span};
use forksight_wire::message::{Hello, Status};
use forksight_wire::window::Window;

use crate::{
    Appended, Batch, Error, Finding, FindingState, Grouping, Maintenance, Process, Selection, Store,
};

/// Runs every check, each against a store of its own, which must be empty.
///
/// # Panics
///
/// Where the store does not do what it must.
pub fn check<S: Store>(make: impl Fn() -> S) {
    let checks: [fn(&dyn Store); 14] = [
        a_definition_repeated_gets_its_number_again,
        a_definition_that_cannot_be_kept_is_refused_with_all_others,
        functions_are_listed_by_service_and_version,
        a_window_is_counted_once,
        windows_of_one_call_may_come_in_any_order,
        a_malformed_window_refuses_the_whole_call,
        services_know_their_versions_and_instances,
        a_selection_narrows,
        neighbouring_times_share_no_window,
        groups_are_by_version_instance_and_step,
        folding_goes_by_time_and_can_be_stopped,
        a_process_is_replaced_by_its_newest_news,
        a_muted_finding_stays_muted,
        an_empty_store_answers_everything,
    ];
    for check in checks {
        check(&make());
    }
}

fn a_definition_repeated_gets_its_number_again(store: &dyn Store) {
    let (f, g) = (function("f", 1), function("g", 9));
    let first = define(store, "shop", &[f.clone(), g.clone()]);
    assert_eq!(first, [FunctionId(1), FunctionId(2)]);
    assert_eq!(
        define(store, "shop", &[g.clone(), f.clone(), g.clone()]),
        [first[1], first[0], first[1]]
    );

    let mut moved = f.clone();
    moved.root = "/elsewhere".into();
    moved.file_hash = 77;
    assert_eq!(define(store, "shop", &[moved.clone()]), [first[0]], "the root tells nothing apart");
    let known = store.function(first[0]).unwrap().unwrap();
    assert_eq!(*known, moved, "the newest facts are kept");

    let mut others = vec![f.clone(); 5];
    others[0].body_hash += 1;
    others[1].line += 1;
    others[2].decisions.clear();
    others[3].arguments.clear();
    others[4].file = "other.py".into();
    let ids = define(store, "shop", &others);
    assert_eq!(ids, [3, 4, 5, 6, 7].map(FunctionId), "each of these is another function");
    assert_eq!(define(store, "bank", &[f]), [FunctionId(8)], "services share no functions");
    assert_eq!(store.function(FunctionId(0)).unwrap(), None);
    assert_eq!(store.function(FunctionId(9)).unwrap(), None);
}

fn a_definition_that_cannot_be_kept_is_refused_with_all_others(store: &dyn Store) {
    let refused = store.define("shop", &[function("f", 1), function("", 2)]);
    assert!(
        matches!(refused, Err(Error::Refused { index: 1, reason: Refused::NoName })),
        "{refused:?}"
    );
    assert_eq!(store.functions("shop", None).unwrap(), []);
}

fn functions_are_listed_by_service_and_version(store: &dyn Store) {
    let ids = define(store, "shop", &[function("f", 1), function("g", 2), function("h", 3)]);
    let names = |version| -> Vec<(FunctionId, String)> {
        let functions = store.functions("shop", version).unwrap();
        functions.into_iter().map(|(id, f)| (id, f.name.to_string())).collect()
    };
    append(store, vec![batch("v1", "a", 1, 0, &[(ids[0], 1)])]);
    append(store, vec![batch("v2", "b", 1, 0, &[(ids[0], 1), (ids[2], 1)])]);
    append(store, vec![batch("v2", "b", 2, 0, &[(ids[2], 1)])]);
    let named = |names: &[usize]| -> Vec<(FunctionId, String)> {
        names.iter().map(|i| (ids[*i], ["f", "g", "h"][*i].to_owned())).collect()
    };
    assert_eq!(names(None), named(&[0, 1, 2]));
    assert_eq!(names(Some("v1")), named(&[0]));
    assert_eq!(names(Some("v2")), named(&[0, 2]));
    assert_eq!(names(Some("v3")), []);
    assert_eq!(store.functions("bank", None).unwrap(), []);
}

fn a_window_is_counted_once(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    assert_eq!(store.durable_seq("a", 1).unwrap(), 0);
    let window = |seq, n| batch("v1", "a", seq, 0, &[(f, n)]);
    assert_eq!(append(store, vec![window(1, 5)]), Appended { stored: 1, repeated: 0 });
    assert_eq!(append(store, vec![window(1, 5)]), Appended { stored: 0, repeated: 1 });
    let both = append(store, vec![window(3, 7), window(3, 7), window(1, 5)]);
    assert_eq!(both, Appended { stored: 1, repeated: 2 });
    let passed = append(store, vec![window(2, 100)]);
    assert_eq!(passed, Appended { stored: 0, repeated: 1 }, "below what is durable");
    assert_eq!(store.durable_seq("a", 1).unwrap(), 3);
    assert_eq!(store.durable_seq("a", 2).unwrap(), 0);
    assert_eq!(store.durable_seq("b", 1).unwrap(), 0);
    let mut restarted = window(1, 11);
    restarted.epoch = 2;
    assert_eq!(append(store, vec![restarted]), Appended { stored: 1, repeated: 0 });
    assert_eq!(calls(store, &Selection::service("shop"), f), 5 + 7 + 11);
}

fn windows_of_one_call_may_come_in_any_order(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    let windows = [3, 1, 2].map(|seq| batch("v1", "a", seq, 0, &[(f, 1)]));
    assert_eq!(append(store, windows.to_vec()), Appended { stored: 3, repeated: 0 });
}

fn a_malformed_window_refuses_the_whole_call(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    let sound = batch("v1", "a", 1, 0, &[(f, 1)]);
    let mut broken = batch("v1", "a", 2, 0, &[(f, 1)]);
    broken.window.functions.as_mut().unwrap().errors.clear();
    let refused = store.append(vec![sound, broken]);
    assert!(
        matches!(&refused, Err(Error::Malformed { instance, seq: 2, family: "functions" }) if instance == "a"),
        "{refused:?}"
    );
    assert_eq!(store.durable_seq("a", 1).unwrap(), 0);
    assert_eq!(store.services().unwrap(), []);
}

fn services_know_their_versions_and_instances(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    append(
        store,
        vec![
            batch("v2", "b", 1, 50_000, &[(f, 1)]),
            batch("v1", "c", 1, 20_000, &[(f, 1)]),
            batch("v1", "a", 1, 30_000, &[(f, 1)]),
            batch("v1", "a", 2, 40_000, &[(f, 1)]),
        ],
    );
    let mut other = batch("v9", "z", 1, 0, &[(f, 1)]);
    other.service = "bank".into();
    append(store, vec![other]);

    let services = store.services().unwrap();
    let text: Vec<String> = services
        .iter()
        .flat_map(|s| s.versions.iter().map(move |v| (s, v)))
        .map(|(s, v)| {
            let instances: Vec<_> = v
                .instances
                .iter()
                .map(|i| format!("{} {}..{}", i.id, i.first_seen_ms, i.last_seen_ms))
                .collect();
            let (name, from, to) = (&v.name, v.first_seen_ms, v.last_seen_ms);
            format!("{} {name} {from}..{to}: {}", s.name, instances.join(", "))
        })
        .collect();
    assert_eq!(
        text,
        [
            "bank v9 0..10000: z 0..10000",
            "shop v1 20000..50000: c 20000..30000, a 30000..50000",
            "shop v2 50000..60000: b 50000..60000",
        ]
    );
}

fn a_selection_narrows(store: &dyn Store) {
    let ids = define(store, "shop", &[function("f", 1), function("g", 2)]);
    let (f, g) = (ids[0], ids[1]);
    append(
        store,
        vec![
            batch("v1", "a", 1, 0, &[(f, 1), (g, 1000)]),
            batch("v1", "b", 1, 10_000, &[(f, 10)]),
            batch("v2", "c", 1, 20_000, &[(f, 100)]),
        ],
    );
    let all = Selection::service("shop");
    assert_eq!(calls(store, &all, f), 111);
    assert_eq!(calls(store, &all, g), 1000);
    assert_eq!(calls(store, &Selection::service("bank"), f), 0);
    assert_eq!(calls(store, &all.clone().version("v1"), f), 11);
    assert_eq!(calls(store, &all.clone().instances(["b".into(), "c".into()]), f), 110);
    assert_eq!(calls(store, &all.clone().version("v1").instances(["c".into()]), f), 0);

    let of_g = aggregate(store, &all.clone().functions([g]));
    assert_eq!(of_g.functions.keys().copied().collect::<Vec<_>>(), [g]);
    let everything = aggregate(store, &all);
    let counts = aggregate(store, &all.clone().families(Families::FUNCTIONS));
    assert!(counts.functions[&f].latency.is_empty() && counts.functions[&f].outcomes.is_empty());
    assert!(!everything.functions[&f].latency.is_empty());
    let outcomes = aggregate(store, &all.families(Families::OUTCOMES));
    assert_eq!(outcomes.functions[&f].calls, Weighted::default());
    assert_eq!(outcomes.functions[&f].outcomes, everything.functions[&f].outcomes);
}

fn neighbouring_times_share_no_window(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    append(store, (0..4).map(|i| batch("v1", "a", i + 1, i * 10_000, &[(f, 1 << i)])).collect());
    let all = Selection::service("shop");
    assert_eq!(calls(store, &all.clone().between(0, 10_000), f), 1);
    assert_eq!(calls(store, &all.clone().between(10_000, 20_001), f), 6);
    assert_eq!(calls(store, &all.clone().between(20_001, 30_000), f), 0);
    assert_eq!(calls(store, &all.between(20_001, u64::MAX), f), 8);
}

fn groups_are_by_version_instance_and_step(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    append(
        store,
        vec![
            batch("v1", "a", 1, 0, &[(f, 1)]),
            batch("v1", "b", 1, 10_000, &[(f, 2)]),
            batch("v1", "a", 2, 60_000, &[(f, 4)]),
            batch("v2", "c", 1, 70_000, &[(f, 8)]),
        ],
    );
    let groups = |grouping| -> Vec<String> {
        let groups = store.aggregate(&Selection::service("shop"), grouping).unwrap();
        let text = |g: &crate::Group| {
            let key = (g.key.version.as_deref(), g.key.instance.as_deref(), g.key.step_start_ms);
            let calls = g.aggregate.functions[&f].calls.n;
            format!("{key:?} {}..{} {} windows {calls} calls", g.from_ms, g.to_ms, g.windows)
        };
        groups.iter().map(text).collect()
    };
    assert_eq!(groups(Grouping::NONE), ["(None, None, None) 0..80000 4 windows 15 calls"]);
    assert_eq!(
        groups(Grouping::VERSION),
        [
            r#"(Some("v1"), None, None) 0..70000 3 windows 7 calls"#,
            r#"(Some("v2"), None, None) 70000..80000 1 windows 8 calls"#,
        ]
    );
    assert_eq!(
        groups(Grouping::INSTANCE),
        [
            r#"(Some("v1"), Some("a"), None) 0..70000 2 windows 5 calls"#,
            r#"(Some("v1"), Some("b"), None) 10000..20000 1 windows 2 calls"#,
            r#"(Some("v2"), Some("c"), None) 70000..80000 1 windows 8 calls"#,
        ]
    );
    assert_eq!(
        groups(Grouping::NONE.step(60_000)),
        [
            "(None, None, Some(0)) 0..20000 2 windows 3 calls",
            "(None, None, Some(60000)) 60000..80000 2 windows 12 calls",
        ]
    );
}

fn folding_goes_by_time_and_can_be_stopped(store: &dyn Store) {
    let f = define(store, "shop", &[function("f", 1)])[0];
    append(
        store,
        vec![
            batch("v2", "b", 1, 20_000, &[(f, 3)]),
            batch("v1", "a", 1, 10_000, &[(f, 2)]),
            batch("v1", "c", 1, 0, &[(f, 1)]),
            batch("v1", "c", 2, 30_000, &[(f, 4)]),
        ],
    );
    let mut seen = Vec::new();
    let selection = Selection::service("shop").families(Families::FUNCTIONS);
    store
        .fold(&selection, &mut |block, window| {
            assert_eq!(window.outcomes, None, "only what was asked for");
            // A visitor may use the store.
            assert!(store.function(f).unwrap().is_some());
            seen.push((block.start_ms, window.functions.unwrap().calls_n[0]));
            if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, [(0, 1), (10_000, 2), (20_000, 3)]);
}

fn a_process_is_replaced_by_its_newest_news(store: &dyn Store) {
    let process = |instance: &str, last_seen_ms, token: &str| Process {
        hello: Hello { instance: instance.into(), pid: 7, token: token.into(), ..Hello::default() },
        status: None,
        connected: true,
        last_seen_ms,
    };
    store.put_processes(&[process("a", 1, "secret"), process("b", 2, "")]).unwrap();
    let mut news = process("a", 3, "");
    news.status = Some(Status { state: "observing".into(), ..Status::default() });
    news.connected = false;
    store.put_processes(std::slice::from_ref(&news)).unwrap();
    assert_eq!(store.processes().unwrap(), [news, process("b", 2, "")], "and no token is kept");
    store.put_processes(&[process("b", 9, "secret")]).unwrap();
    assert_eq!(store.processes().unwrap()[0], process("b", 9, ""));
}

fn a_muted_finding_stays_muted(store: &dyn Store) {
    let finding = |id: &str, first, last, state| Finding {
        id: id.into(),
        service: "shop".into(),
        state,
        first_seen_ms: first,
        last_seen_ms: last,
        document: format!("{{\"from\":{first}}}"),
    };
    let put = |f: &Finding| store.put_finding(f).unwrap();
    put(&finding("x", 10, 20, FindingState::Open));
    put(&finding("y", 5, 40, FindingState::Open));
    put(&finding("x", 15, 30, FindingState::Resolved));
    let mut x = finding("x", 15, 30, FindingState::Resolved);
    x.first_seen_ms = 10;
    assert_eq!(store.finding("x").unwrap(), Some(x.clone()));
    assert_eq!(store.findings(None).unwrap(), [finding("y", 5, 40, FindingState::Open), x.clone()]);

    assert!(store.set_finding_state("x", FindingState::Muted).unwrap());
    put(&finding("x", 10, 50, FindingState::Open));
    let muted = finding("x", 10, 50, FindingState::Muted);
    assert_eq!(store.findings(Some("shop")).unwrap()[0], muted);
    assert!(store.set_finding_state("x", FindingState::Open).unwrap());
    assert_eq!(store.finding("x").unwrap().unwrap().state, FindingState::Open);
    assert!(!store.set_finding_state("z", FindingState::Open).unwrap());
    assert_eq!(store.findings(Some("bank")).unwrap(), []);
}

fn an_empty_store_answers_everything(store: &dyn Store) {
    assert_eq!(append(store, vec![]), Appended::default());
    assert_eq!(store.services().unwrap(), []);
    assert_eq!(store.processes().unwrap(), []);
    assert_eq!(store.findings(None).unwrap(), []);
    assert_eq!(store.finding("x").unwrap(), None);
    assert_eq!(store.aggregate(&Selection::service("shop"), Grouping::NONE).unwrap(), []);
    assert_eq!(store.maintain(1_000_000).unwrap(), Maintenance::default());
    assert_eq!(store.setting("key").unwrap(), None);
    store.set_setting("key", "one").unwrap();
    store.set_setting("key", "two").unwrap();
    assert_eq!(store.setting("key").unwrap().as_deref(), Some("two"));
    let stats = store.stats().unwrap();
    assert_eq!((stats.blocks, stats.oldest_ms), ([0; 5], None));
}

fn define(store: &dyn Store, service: &str, functions: &[Function]) -> Vec<FunctionId> {
    store.define(service, functions).unwrap()
}

fn append(store: &dyn Store, batches: Vec<Batch>) -> Appended {
    store.append(batches).unwrap()
}

fn aggregate(store: &dyn Store, selection: &Selection) -> Aggregate {
    let groups = store.aggregate(selection, Grouping::NONE).unwrap();
    groups.into_iter().next().map(|group| group.aggregate).unwrap_or_default()
}

fn calls(store: &dyn Store, selection: &Selection, id: FunctionId) -> u64 {
    aggregate(store, selection).functions.get(&id).map_or(0, |function| function.calls.n)
}

/// A function of the service with one decision.
pub fn function(name: &str, line: u32) -> Function {
    Function {
        language: "python".into(),
        file: "shop/pricing.py".into(),
        root: "/srv/app".into(),
        name: name.into(),
        line,
        end_line: line + 5,
        body_hash: 0xfeed_0000_0000_0001,
        file_hash: 0xbeef,
        first_party: true,
        arguments: vec!["cart".into(), "coupon".into()],
        decisions: vec![Decision {
            kind: DecisionKind::If,
            span: Span { line: line + 1, column: 8, end_line: line + 1, end_column: 22 },
            outcomes: vec![
                Outcome { name: "true".into(), target_line: line + 2 },
                Outcome { name: "false".into(), target_line: line + 3 },
            ],
        }],
    }
}

/// A window of ten seconds of instance `instance` in epoch 1 of service `shop`, in which these
/// functions were called so many times, always returning, a quarter of them by outcome 1.
pub fn batch(
    version: &str,
    instance: &str,
    seq: u64,
    start_ms: u64,
    calls: &[(FunctionId, u64)],
) -> Batch {
    Batch {
        service: "shop".into(),
        version: version.into(),
        instance: instance.into(),
        epoch: 1,
        window: window(seq, start_ms, calls),
    }
}

fn window(seq: u64, start_ms: u64, calls: &[(FunctionId, u64)]) -> Window {
    let mut aggregate = Aggregate::default();
    for (id, n) in calls {
        let mut function = FunctionAggregate {
            calls: Weighted::exact(*n),
            observed: Weighted::exact(*n),
            duration_sum_ns: n * 1000,
            ..FunctionAggregate::default()
        };
        function.latency.record(1000, *n);
        function.outcomes.insert(0, Weighted::exact(n - n / 4));
        function.outcomes.insert(1, Weighted::exact(n / 4));
        aggregate.functions.insert(*id, function);
    }
    encode(&aggregate, WindowHeader { seq, start_ms, duration_ms: 10_000 }, |id| id.0)
}
