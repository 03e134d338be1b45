//! Folding keeps totals; age and the disk ceiling delete the oldest, and say so.

#[path = "../../columns/tests/arbitrary/mod.rs"]
#[expect(dead_code, reason = "samples are compared apart")]
mod arbitrary;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arbitrary::aggregate;
use forksight_columns::{WindowHeader, encode};
use forksight_model::aggregate::Aggregate;
use forksight_model::function::FunctionId;
use forksight_model::sample::Stream;
use forksight_store::{
    Batch, Grouping, Level, Maintenance, Policy, Selection, Sqlite, Store, conformance,
};
use proptest::prelude::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const F: FunctionId = FunctionId(1);

fn policy() -> Policy {
    Policy { keep_ms: [2 * MINUTE, 20 * MINUTE, 3 * HOUR, 3 * DAY], ..Policy::default() }
}

fn open(policy: Policy) -> (tempfile::TempDir, Sqlite) {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open_writer_with(dir.path(), policy).unwrap();
    (dir, store)
}

/// All the upkeep that is due at `now_ms`.
fn maintain(store: &Sqlite, now_ms: u64) -> Maintenance {
    let mut sum = Maintenance::default();
    loop {
        let done = store.maintain(now_ms).unwrap();
        sum.folded += done.folded;
        sum.written += done.written;
        sum.expired += done.expired;
        sum.evicted += done.evicted;
        if !done.more {
            return sum;
        }
    }
}

fn all(store: &Sqlite, grouping: Grouping) -> Vec<forksight_store::Group> {
    store.aggregate(&Selection::service("shop"), grouping).unwrap()
}

fn calls(store: &Sqlite, selection: &Selection) -> u64 {
    let groups = store.aggregate(selection, Grouping::NONE).unwrap();
    groups.iter().map(|g| g.aggregate.functions.get(&F).map_or(0, |f| f.calls.n)).sum()
}

/// What thinning must keep: everything but samples, and the sums of their weights.
fn totals(mut aggregate: Aggregate) -> (Aggregate, BTreeMap<String, u64>) {
    let mut weights = BTreeMap::new();
    for sample in std::mem::take(&mut aggregate.call_samples) {
        if sample.stream == Stream::Uniform {
            *weights.entry(format!("{:?}", sample.function)).or_default() +=
                u64::from(sample.weight);
        }
    }
    for sample in std::mem::take(&mut aggregate.entry_samples) {
        if sample.stream == Stream::Uniform {
            *weights.entry(format!("{:?}", sample.entry)).or_default() += u64::from(sample.weight);
        }
    }
    (aggregate, weights)
}

/// Three hours of one window every ten seconds of two instances.
fn three_hours(store: &Sqlite) {
    for instance in ["a", "b"] {
        let windows = (0..3 * 360)
            .map(|i| conformance::batch("v1", instance, i + 1, i * 10_000, &[(F, i + 1)]))
            .collect();
        store.append(windows).unwrap();
    }
}

#[test]
fn blocks_grow_coarser_with_age_and_lose_their_instance_at_an_hour() {
    let (_dir, store) = open(policy());
    three_hours(&store);
    let whole = all(&store, Grouping::NONE);
    maintain(&store, 3 * HOUR + 2 * MINUTE);
    // At minute 182 the last window is two minutes old; ten minutes are folded up to minute 160,
    // the last multiple of ten that was over twenty minutes ago.
    assert_eq!(store.stats().unwrap().blocks, [0, 2 * 20, 2 * 16, 0, 0]);
    assert_eq!(all(&store, Grouping::NONE)[0].aggregate, whole[0].aggregate);
    assert_eq!(all(&store, Grouping::INSTANCE).len(), 2);

    maintain(&store, 5 * HOUR);
    assert_eq!(store.stats().unwrap().blocks, [0, 0, 2 * 6, 2, 0]);
    let groups = all(&store, Grouping::INSTANCE);
    let instances: Vec<_> = groups.iter().map(|g| g.key.instance.as_deref()).collect();
    assert_eq!(instances, [None, Some("a"), Some("b")]);
    maintain(&store, 30 * DAY);
    assert_eq!(store.stats().unwrap().blocks, [0, 0, 0, 0, 1]);
    let day = all(&store, Grouping::NONE);
    assert_eq!(day[0].aggregate, whole[0].aggregate);
    assert_eq!((day[0].from_ms, day[0].to_ms, day[0].windows), (0, DAY, 2 * 1080));
    assert_eq!(maintain(&store, 30 * DAY), Maintenance::default(), "nothing is left to do");
}

#[test]
fn times_that_are_multiples_of_a_block_read_the_same_before_and_after() {
    let (_dir, store) = open(policy());
    three_hours(&store);
    let hours = || -> Vec<u64> {
        let hour = |h| Selection::service("shop").between(h * HOUR, (h + 1) * HOUR);
        (0..3).map(|h| calls(&store, &hour(h))).collect()
    };
    let before = hours();
    // The sum of 1 to 360, of 361 to 720, of 721 to 1080; two instances.
    assert_eq!(before, [2 * 64_980, 2 * 194_580, 2 * 324_180]);
    for now in [3 * HOUR, 4 * HOUR, 5 * HOUR, 8 * HOUR] {
        maintain(&store, now);
        assert_eq!(hours(), before);
    }
    assert_eq!(store.stats().unwrap().blocks, [0, 0, 0, 3, 0]);
}

#[test]
fn a_window_that_comes_late_joins_its_coarse_block() {
    let (_dir, store) = open(policy());
    three_hours(&store);
    maintain(&store, 8 * HOUR);
    let before = calls(&store, &Selection::service("shop"));
    store.append(vec![conformance::batch("v1", "late", 1, 90 * MINUTE, &[(F, 5)])]).unwrap();
    maintain(&store, 8 * HOUR);
    assert_eq!(store.stats().unwrap().blocks, [0, 0, 0, 3, 0]);
    let hour = Selection::service("shop").between(HOUR, 2 * HOUR);
    assert_eq!(calls(&store, &hour), 2 * 194_580 + 5);
    assert_eq!(calls(&store, &Selection::service("shop")), before + 5);
}

#[test]
fn a_window_sent_again_after_it_was_folded_is_still_counted_once() {
    let (_dir, store) = open(policy());
    three_hours(&store);
    let before = calls(&store, &Selection::service("shop"));
    maintain(&store, 30 * DAY);
    three_hours(&store);
    assert_eq!(calls(&store, &Selection::service("shop")), before);
}

#[test]
fn versions_are_never_folded_together() {
    let (_dir, store) = open(policy());
    let batch = |version, instance| conformance::batch(version, instance, 1, 0, &[(F, 1)]);
    store.append(vec![batch("v1", "a"), batch("v2", "b"), batch("v2", "c")]).unwrap();
    maintain(&store, 30 * DAY);
    let counts: Vec<_> = all(&store, Grouping::VERSION)
        .into_iter()
        .map(|g| (g.key.version.unwrap().to_string(), g.aggregate.functions[&F].calls.n))
        .collect();
    assert_eq!(counts, [("v1".to_owned(), 1), ("v2".to_owned(), 2)]);
}

#[test]
fn what_is_older_than_the_retention_is_deleted_and_counted() {
    let (_dir, store) = open(Policy { retention_ms: 2 * HOUR, ..policy() });
    three_hours(&store);
    maintain(&store, 3 * HOUR);
    let stats = store.stats().unwrap();
    // One hour of each instance ended two hours ago or earlier.
    assert_eq!((stats.windows_expired, stats.windows_evicted), (2 * 360, 0));
    assert_eq!(stats.oldest_ms, Some(HOUR));
    let done = maintain(&store, 30 * DAY);
    assert!(done.expired > 0);
    let stats = store.stats().unwrap();
    assert_eq!((stats.blocks, stats.windows_expired), ([0; 5], 2 * 1080));
    assert_eq!(store.services().unwrap(), [], "what has no data left is not listed");
}

#[test]
fn a_window_from_the_far_future_is_deleted_and_counted() {
    let (_dir, store) = open(policy());
    store.append(vec![conformance::batch("v1", "a", 1, 9 * DAY, &[(F, 1)])]).unwrap();
    store.append(vec![conformance::batch("v1", "a", 2, 10 * HOUR, &[(F, 1)])]).unwrap();
    assert_eq!(maintain(&store, DAY / 2).expired, 1);
    assert_eq!(store.stats().unwrap().windows_expired, 1);
    assert_eq!(calls(&store, &Selection::service("shop")), 1);
}

#[test]
fn at_the_ceiling_the_oldest_goes_first_and_space_is_given_back() {
    let ceiling = 600 << 10;
    let (dir, store) = open(Policy { ceiling_bytes: ceiling, ..policy() });
    let file = || std::fs::metadata(dir.path().join(forksight_store::FILE)).unwrap().len();
    let mut appended = 0;
    // Names that do not compress, so that a window takes some ten kilobytes.
    for hour in 0..60u64 {
        let mut batch = conformance::batch("v1", "a", hour + 1, hour * HOUR, &[(F, 1)]);
        batch.window.strings = vec![String::new()];
        let mut state = hour + 1;
        for _ in 0..40 {
            let mut name = String::new();
            for _ in 0..16 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                name.push_str(&format!("{:x}", state >> 8));
            }
            batch.window.strings.push(name);
        }
        let what = (1..=40).collect();
        batch.window.shed = Some(forksight_wire::window::Shed { what, count: vec![1; 40] });
        appended += store.append(vec![batch]).unwrap().stored;
        maintain(&store, hour * HOUR + MINUTE);
        let stats = store.stats().unwrap();
        assert!(stats.bytes <= ceiling, "{stats:?}");
    }
    let stats = store.stats().unwrap();
    assert!(stats.windows_evicted > 0);
    assert_eq!(stats.ceiling_bytes, ceiling);
    let groups = all(&store, Grouping::NONE);
    assert_eq!(groups[0].windows + stats.windows_evicted, appended, "nothing vanishes uncounted");
    assert_eq!(groups[0].from_ms, stats.oldest_ms.unwrap());
    assert!(groups[0].to_ms > 59 * HOUR, "the newest is kept");
    assert!(file() <= ceiling + (64 << 10), "{} bytes", file());
}

#[test]
fn a_store_that_fills_up_folds_early_before_it_deletes() {
    // Windows of one instance hold the same names, so folding saves most of the space.
    let (_dir, store) = open(Policy { ceiling_bytes: 400 << 10, ..policy() });
    let calls: Vec<_> = (1..200).map(|n| (FunctionId(n), u64::from(n) * 7919)).collect();
    let mut now = 0;
    for i in 0..600 {
        now = i * 10_000;
        store.append(vec![conformance::batch("v1", "a", i + 1, now, &calls)]).unwrap();
        maintain(&store, now);
    }
    let stats = store.stats().unwrap();
    assert_eq!(stats.windows_evicted, 0, "{stats:?}");
    assert_eq!(all(&store, Grouping::NONE)[0].windows, 600);
    let unhurried = (2 * MINUTE + MINUTE) / 10_000;
    assert!(stats.blocks[Level::Window as usize] < unhurried, "at {now}: {stats:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn totals_are_the_same_before_and_after_folding(
        windows in prop::collection::vec((0u64..3 * 360, 0u8..3, aggregate()), 1..24),
        ages in prop::collection::vec(0u64..40 * 24, 1..6),
    ) {
        let (_dir, store) = open(policy());
        for ((slot, instance, aggregate), seq) in windows.iter().zip(1..) {
            let start_ms = slot * 10_000;
            let header = WindowHeader { seq, start_ms, duration_ms: 10_000 };
            let batch = Batch {
                service: "shop".into(),
                version: "v1".into(),
                instance: instance.to_string().as_str().into(),
                epoch: seq,
                window: encode(aggregate, header, |id| id.0),
            };
            store.append(vec![batch]).unwrap();
        }
        let by_hour = || -> Vec<_> {
            all(&store, Grouping::NONE.step(HOUR))
                .into_iter()
                .map(|g| (g.key, g.windows, totals(g.aggregate)))
                .collect()
        };
        let before = by_hour();
        for age in ages {
            // The policy folds hours into days at three days.
            maintain(&store, 3 * HOUR + (age * HOUR).min(2 * DAY));
            prop_assert_eq!(by_hour(), before.clone());
        }
        let whole = totals(all(&store, Grouping::NONE).remove(0).aggregate);
        maintain(&store, 30 * DAY);
        prop_assert_eq!(totals(all(&store, Grouping::NONE).remove(0).aggregate), whole);
        let mut levels = Vec::new();
        store
            .fold(&Selection::service("shop"), &mut |block, _| {
                levels.push(block.level);
                ControlFlow::Continue(())
            })
            .unwrap();
        prop_assert_eq!(levels, [Level::Day]);
    }
}
