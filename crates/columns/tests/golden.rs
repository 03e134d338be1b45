//! Blocks of every format version that was ever written can be read.
//!
//! `golden/write_v1.py` wrote the files, from the format's description.

use forksight_columns::{Families, block, decode};
use forksight_model::Name;
use forksight_model::aggregate::{
    Aggregate, Ended, EntryAggregate, ErrorFlow, ErrorSite, FunctionAggregate, PathAggregate,
    RETURN_SLOT, Weighted,
};
use forksight_model::function::FunctionId;
use forksight_model::path::{Exit, OutcomeSet, Path};
use forksight_model::sample::{CallSample, Entry, EntryExit, EntryKind, EntrySample, Stream};
use forksight_model::shape::{Class, Kind, Shape};
use forksight_wire::window::Window;

const EMPTY: &[u8] = include_bytes!("golden/v1-empty.bin");
const ONE_OF_EVERYTHING: &[u8] = include_bytes!("golden/v1-one-of-everything.bin");

fn weighted(n: u64, w: u64) -> Weighted {
    Weighted { n, w }
}

fn one_of_everything() -> Aggregate {
    let (f, caller) = (FunctionId(1), FunctionId(300));
    let key_error: Name = "KeyError".into();
    let raised = Exit::Raised { error_type: key_error.clone(), line: 47 };
    let cart = Shape { class: Class::of(Kind::Object), type_name: Some("shop.Cart".into()) };
    let none = Shape::new(Class::NULL);
    let usual = Path { outcomes: OutcomeSet::from_iter([0]), ..Path::default() };
    let rare = Path { outcomes: OutcomeSet::from_iter([1, 15]), exit: raised.clone(), cut: true };
    let failing = Path { outcomes: OutcomeSet::from_iter([1]), exit: raised.clone(), cut: false };
    let checkout = Entry { kind: EntryKind::Http, name: "POST /checkout".into() };
    let fine = EntryExit { error_type: None, status_class: 2 };
    let failed = EntryExit { error_type: Some(key_error.clone()), status_class: 5 };
    let flow = |function, line, through: &[FunctionId], ended, end| ErrorFlow {
        error_type: key_error.clone(),
        origin: ErrorSite {
            function,
            name: "shop.pricing.apply_discount".into(),
            file: "shop/pricing.py".into(),
            line,
        },
        through: through.to_vec(),
        ended,
        end,
    };
    let function = FunctionAggregate {
        calls: weighted(1000, 1000),
        errors: 29,
        observed: weighted(100, 1000),
        latency: [(159, 990), (300, 10)].into_iter().collect(),
        duration_sum_ns: 5_000_000_000,
        outcomes: [(0, weighted(971, 971)), (1, weighted(29, 290))].into(),
        paths: [
            (
                usual,
                PathAggregate {
                    observed: weighted(97, 970),
                    latency: [(159, 970)].into_iter().collect(),
                },
            ),
            (rare, PathAggregate { observed: weighted(3, 30), ..PathAggregate::default() }),
        ]
        .into(),
        exits: [(raised, 29)].into(),
        shapes: [
            ((0, cart.clone()), weighted(100, 1000)),
            ((RETURN_SLOT, none.clone()), weighted(3, 30)),
        ]
        .into(),
        callers: [(caller, weighted(90, 900))].into(),
    };
    let other = FunctionAggregate {
        calls: weighted(7, 700),
        observed: weighted(7, 700),
        duration_sum_ns: 9,
        exits: [(Exit::Cancelled, 1)].into(),
        ..FunctionAggregate::default()
    };
    Aggregate {
        functions: [(f, function), (caller, other)].into(),
        errors: [
            (flow(Some(f), 47, &[f, caller], Ended::Swallowed, Some((caller, 12))), 28),
            (flow(None, 48, &[], Ended::Escaped, None), 1),
        ]
        .into(),
        entries: [(
            checkout.clone(),
            EntryAggregate {
                exits: [(fine, 90), (failed.clone(), 4)].into(),
                latency: [(400, 94)].into_iter().collect(),
            },
        )]
        .into(),
        call_samples: vec![CallSample {
            function: f,
            stream: Stream::Stratified,
            weight: 1,
            path: failing.clone(),
            duration_ns: 12345,
            arguments: vec![cart, none],
            returned: Shape::default(),
            caller: Some(caller),
            entry: Some(checkout.clone()),
        }],
        entry_samples: vec![EntrySample {
            entry: checkout,
            stream: Stream::Uniform,
            weight: 20,
            exit: failed,
            duration_ns: 99999,
            paths: vec![(caller, Path::default()), (f, failing)],
            cut: true,
            trace_id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
        }],
        shed: [("paths".into(), 3)].into(),
    }
}

#[test]
fn version_1_is_read() {
    assert_eq!(block::unpack(EMPTY), Ok(Window::default()));
    let window = block::unpack(ONE_OF_EVERYTHING).unwrap();
    assert_eq!((window.seq, window.start_ms, window.duration_ms), (42, 1_700_000_000_000, 10_000));
    let aggregate = decode(&window, |number| Some(FunctionId(number))).unwrap();
    assert_eq!(aggregate, one_of_everything());
}

#[test]
fn version_1_is_read_by_families() {
    let window = block::unpack_families(ONE_OF_EVERYTHING, Families::CALL_SAMPLES).unwrap();
    let aggregate = decode(&window, |number| Some(FunctionId(number))).unwrap();
    let call_samples = one_of_everything().call_samples;
    assert_eq!(aggregate, Aggregate { call_samples, ..Aggregate::default() });
}
