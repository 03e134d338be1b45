//! How fast windows go in, fold, and come out.
//!
//! `cargo run --release -p forksight-store --example bench -- [ROWS] [FUNCTIONS] [INSTANCES]`
//!
//! A row is one function in one window. Times are CPU time of the one thread that works, so that a
//! busy machine does not matter; without `/proc` they are elapsed time.

use std::time::Instant;

use forksight_columns::{Families, WindowHeader, encode, renumber};
use forksight_model::aggregate::{
    Aggregate, FunctionAggregate, PathAggregate, RETURN_SLOT, Weighted,
};
use forksight_model::function::FunctionId;
use forksight_model::path::{OutcomeSet, Path};
use forksight_model::sample::{CallSample, Stream};
use forksight_model::shape::{Class, Kind, Shape};
use forksight_store::{Batch, Grouping, Policy, Selection, Sqlite, Store};
use forksight_wire::window::Window;
use prost::Message;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>().expect("a number"));
    let rows = arguments.next().unwrap_or(2_000_000);
    let functions = arguments.next().unwrap_or(1000) as u32;
    let instances = arguments.next().unwrap_or(4);
    for (name, detail) in [("counters and latency", false), ("every family", true)] {
        println!("{name}: {rows} rows, {functions} functions, {instances} instances");
        run(rows, functions, instances, detail);
    }
}

fn run(rows: u64, functions: u32, instances: u64, detail: bool) {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = Policy { ceiling_bytes: 64 << 30, ..Policy::default() };
    let store = Sqlite::open_writer_with(dir.path(), policy).expect("the store opens");
    let mut random = Random(1);
    let messages: Vec<Vec<u8>> = (0..16)
        .map(|_| {
            let aggregate = aggregate(functions, detail, &mut random);
            encode(&aggregate, WindowHeader::default(), |id| id.0).encode_to_vec()
        })
        .collect();
    let per_window: usize = messages.iter().map(Vec::len).sum::<usize>() / messages.len();
    println!("  on the wire       {:8.1} bytes/row", per_window as f64 / f64::from(functions));

    let windows = rows / u64::from(functions);
    let (mut seq, mut appended) = (0, 0);
    let ingest = cpu_s();
    while appended < windows {
        seq += 1;
        // One group commit takes in one window of each instance.
        let batches: Vec<_> = (0..instances)
            .map(|instance| {
                let message = &messages[((seq + instance) % 16) as usize];
                let mut window = Window::decode(&message[..]).expect("it decodes");
                renumber(&mut window, Some).expect("it is sound");
                (window.seq, window.start_ms, window.duration_ms) = (seq, seq * 10_000, 10_000);
                Batch {
                    service: "shop".into(),
                    version: "v1".into(),
                    instance: format!("instance-{instance}").as_str().into(),
                    epoch: 1,
                    window,
                }
            })
            .collect();
        appended += store.append(batches).expect("it is stored").stored;
    }
    let total = appended * u64::from(functions);
    rate("ingest", total, cpu_s() - ingest);
    let bytes = store.stats().expect("stats").bytes;
    println!("  stored            {:8.1} bytes/row", bytes as f64 / total as f64);

    let queries = [
        ("functions", Selection::service("shop").families(Families::FUNCTIONS)),
        (
            "functions, latency",
            Selection::service("shop").families(Families::FUNCTIONS | Families::LATENCY),
        ),
        ("one function, all", Selection::service("shop").functions([FunctionId(7)])),
        ("everything", Selection::service("shop")),
    ];
    let ask = |when: &str| {
        for (name, selection) in &queries {
            store.aggregate(selection, Grouping::NONE).expect("it is read");
            let start = cpu_s();
            let groups = store.aggregate(selection, Grouping::NONE).expect("it is read");
            let took = cpu_s() - start;
            let found = groups.first().map_or(0, |g| g.aggregate.functions.len());
            println!("  {when} {name:18} {:8.1} ms, {found} functions", took * 1e3);
        }
    };
    ask("query");
    let fold = cpu_s();
    let mut folded = 0;
    loop {
        let done = store.maintain(seq * 10_000 + 40 * 60_000).expect("upkeep");
        folded += done.folded;
        if !done.more {
            break;
        }
    }
    println!(
        "  folded {folded} blocks; blocks by level {:?}",
        store.stats().expect("stats").blocks
    );
    rate("folding", total, cpu_s() - fold);
    ask("after");
}

fn rate(what: &str, rows: u64, seconds: f64) {
    println!(
        "  {what:17} {:8.2} M rows/s of CPU ({:.0} ns/row)",
        rows as f64 / seconds / 1e6,
        seconds * 1e9 / rows as f64
    );
}

/// A window in which every function was called, with the columns that a web service would have.
fn aggregate(functions: u32, detail: bool, random: &mut Random) -> Aggregate {
    let mut aggregate = Aggregate::default();
    for id in 1..=functions {
        let calls = 1 + random.below(500);
        let mut function = FunctionAggregate {
            calls: Weighted::exact(calls),
            errors: u64::from(random.below(50) == 0),
            observed: Weighted { n: calls.div_ceil(10), w: calls },
            duration_sum_ns: calls * (20_000 + random.below(50_000)),
            ..FunctionAggregate::default()
        };
        let middle = 200 + random.below(60) as u16;
        for _ in 0..6 {
            function.latency.add(middle + random.below(12) as u16, 1 + random.below(80));
        }
        if detail {
            let id = FunctionId(id);
            for outcome in 0..4 {
                function.outcomes.insert(outcome, Weighted::exact(1 + random.below(300)));
            }
            for outcome in 0..2 {
                let path = Path { outcomes: OutcomeSet::from_iter([outcome]), ..Path::default() };
                let n = 1 + random.below(40);
                let mut counts = PathAggregate {
                    observed: Weighted { n, w: n * 10 },
                    ..PathAggregate::default()
                };
                counts.latency.add(middle + outcome as u16, n * 10);
                function.paths.insert(path.clone(), counts);
                aggregate.call_samples.push(CallSample {
                    function: id,
                    stream: Stream::Uniform,
                    weight: 100,
                    path,
                    duration_ns: 1000 + random.below(1 << 20),
                    arguments: vec![Shape::new(Class::int(false, 3)), Shape::new(Class::NULL)],
                    returned: Shape::new(Class::bool(true)),
                    caller: Some(FunctionId(1 + random.below(u64::from(functions)) as u32)),
                    entry: None,
                });
            }
            for slot in [0, 1, RETURN_SLOT] {
                let shape = Shape::new(Class::sized(Kind::Str, random.below(64)));
                function.shapes.insert((slot, shape), Weighted { n: calls / 10, w: calls });
            }
            let caller = FunctionId(1 + random.below(u64::from(functions)) as u32);
            function.callers.insert(caller, Weighted { n: calls / 10, w: calls });
        }
        aggregate.functions.insert(FunctionId(id), function);
    }
    aggregate
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 16) % bound
    }
}

/// CPU seconds of this thread.
fn cpu_s() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = schedule.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    match nanos {
        Some(nanos) => nanos as f64 / 1e9,
        None => START.get_or_init(Instant::now).elapsed().as_secs_f64(),
    }
}
