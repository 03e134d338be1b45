//! SQLite agrees with the model, whatever the order, repetition and grouping of what arrives.

#[path = "../../columns/tests/arbitrary/mod.rs"]
mod arbitrary;

use arbitrary::{aggregate, sorted};
use forksight_columns::{Families, WindowHeader, encode};
use forksight_model::aggregate::Aggregate;
use forksight_model::function::FunctionId;
use forksight_store::{Batch, Group, Grouping, Memory, Selection, Sqlite, Store};
use proptest::prelude::*;

const LENGTH_MS: u64 = 10_000;

/// One (instance, epoch): its version, and its windows in the order of their numbers.
#[derive(Clone, Debug)]
struct Sensor {
    version: &'static str,
    instance: String,
    epoch: u64,
    windows: Vec<(u64, Aggregate)>,
}

fn sensor() -> impl Strategy<Value = Sensor> {
    (
        prop::sample::select(vec!["v1", "v2"]),
        "[ab]",
        1u64..3,
        prop::collection::vec((0u64..20, aggregate()), 1..4),
    )
        .prop_map(|(version, instance, epoch, windows)| Sensor {
            version,
            instance,
            epoch,
            windows,
        })
}

/// The batches of all sensors; those with the same identity are one sensor.
fn batches(sensors: &[Sensor]) -> Vec<Vec<Batch>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for sensor in sensors {
        if !seen.insert((sensor.instance.clone(), sensor.epoch)) {
            continue;
        }
        let batch = |(seq, (slot, aggregate)): (u64, &(u64, Aggregate))| {
            let start_ms = slot * LENGTH_MS;
            let header = WindowHeader { seq, start_ms, duration_ms: LENGTH_MS as u32 };
            Batch {
                service: "shop".into(),
                version: sensor.version.into(),
                instance: sensor.instance.as_str().into(),
                epoch: sensor.epoch,
                window: encode(aggregate, header, |id| id.0),
            }
        };
        all.push((1..).zip(&sensor.windows).map(batch).collect());
    }
    all
}

/// Sends every sensor's batches in order, sensors interleaved and windows sent again as `choices`
/// say, `group` in one call.
fn send(store: &dyn Store, sensors: &[Vec<Batch>], choices: &[u8], group: usize) {
    let mut next = vec![0; sensors.len()];
    let mut choices = choices.iter().copied().cycle();
    let mut stream = Vec::new();
    while next.iter().zip(sensors).any(|(next, batches)| *next < batches.len()) {
        let (at, again) = (choices.next().unwrap(), choices.next().unwrap());
        let mut at = usize::from(at) % sensors.len();
        while next[at] == sensors[at].len() {
            at = (at + 1) % sensors.len();
        }
        stream.push(sensors[at][next[at]].clone());
        next[at] += 1;
        if again % 3 == 0 {
            let old = usize::from(again) % next[at];
            stream.push(sensors[at][old].clone());
        }
    }
    for call in stream.chunks(group) {
        store.append(call.to_vec()).unwrap();
    }
}

fn groups(store: &dyn Store, selection: &Selection, grouping: Grouping) -> Vec<Group> {
    let mut groups = store.aggregate(selection, grouping).unwrap();
    for group in &mut groups {
        group.aggregate = sorted(std::mem::take(&mut group.aggregate));
    }
    groups
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sqlite_agrees_with_the_model(
        sensors in prop::collection::vec(sensor(), 1..5),
        choices in prop::collection::vec(any::<u8>(), 2..40),
        grouped in 1usize..9,
        from in 0u64..20,
        to in 0u64..20,
        step in 0u64..4,
        wanted in prop::collection::btree_set(1u32..13, 0..4),
    ) {
        let batches = batches(&sensors);
        let model = Memory::new();
        for batches in &batches {
            model.append(batches.clone()).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open_writer(dir.path()).unwrap();
        send(&sqlite, &batches, &choices, grouped);

        prop_assert_eq!(sqlite.services().unwrap(), model.services().unwrap());
        for batch in batches.iter().flatten() {
            let durable = |store: &dyn Store| store.durable_seq(&batch.instance, batch.epoch).unwrap();
            prop_assert_eq!(durable(&sqlite), durable(&model));
        }
        let all = Selection::service("shop");
        let narrow = all
            .clone()
            .between(from.min(to) * LENGTH_MS, from.max(to) * LENGTH_MS)
            .functions(wanted.into_iter().map(FunctionId))
            .families(Families::ALL.without(Families::PATHS));
        for selection in [all, narrow] {
            for grouping in [Grouping::NONE, Grouping::VERSION, Grouping::INSTANCE] {
                let grouping = grouping.step(step * 2 * LENGTH_MS);
                let got = groups(&sqlite, &selection, grouping);
                prop_assert_eq!(got, groups(&model, &selection, grouping));
            }
        }
    }
}
