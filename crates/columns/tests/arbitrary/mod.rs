//! Arbitrary aggregates, within what the model allows.

use forksight_model::Name;
use forksight_model::aggregate::{
    Aggregate, Ended, EntryAggregate, ErrorFlow, ErrorSite, FunctionAggregate, PathAggregate,
    RETURN_SLOT, Weighted,
};
use forksight_model::function::FunctionId;
use forksight_model::path::{Exit, OutcomeSet, Path};
use forksight_model::sample::{CallSample, Entry, EntryExit, EntryKind, EntrySample, Stream};
use forksight_model::shape::{Class, Shape};
use forksight_sketch::Sketch;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Functions are numbered 1 to this.
pub const FUNCTIONS: u32 = 12;

/// Names that overlap between rows, so that merging has something to merge.
fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        Just("KeyError".into()),
        Just("shop.Cart".into()),
        Just("POST /checkout".into()),
        "[a-zé]{1,6}".prop_map(|s| s.as_str().into()),
    ]
}

fn id() -> impl Strategy<Value = FunctionId> {
    (1..=FUNCTIONS).prop_map(FunctionId)
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![1u64..10, 1u64..1 << 40]
}

fn weighted() -> impl Strategy<Value = Weighted> {
    (count(), 1u64..64).prop_map(|(n, factor)| Weighted { n, w: n * factor })
}

fn sketch() -> impl Strategy<Value = Sketch> {
    vec((0u16..1024, count()), 0..4).prop_map(|buckets| buckets.into_iter().collect())
}

fn exit() -> impl Strategy<Value = Exit> {
    prop_oneof![
        Just(Exit::Returned),
        (name(), 1u32..99).prop_map(|(error_type, line)| Exit::Raised { error_type, line }),
        Just(Exit::Cancelled),
        Just(Exit::Unseen),
    ]
}

fn path() -> impl Strategy<Value = Path> {
    let outcomes = vec(0usize..40, 0..4).prop_map(|set| set.into_iter().collect::<OutcomeSet>());
    (outcomes, exit(), any::<bool>()).prop_map(|(outcomes, exit, cut)| Path { outcomes, exit, cut })
}

fn shape() -> impl Strategy<Value = Shape> {
    (0u32..16, any::<u8>(), option::of(name())).prop_map(|(kind, detail, type_name)| Shape {
        class: Class::from_code(kind << 8 | u32::from(detail)),
        type_name,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    (0u32..8, name()).prop_map(|(kind, name)| Entry { kind: EntryKind::from_code(kind), name })
}

fn entry_exit() -> impl Strategy<Value = EntryExit> {
    (option::of(name()), 0u8..6)
        .prop_map(|(error_type, status_class)| EntryExit { error_type, status_class })
}

fn stream() -> impl Strategy<Value = Stream> {
    (0u32..3).prop_map(Stream::from_code)
}

fn slot() -> impl Strategy<Value = u8> {
    prop_oneof![0u8..8, Just(RETURN_SLOT)]
}

fn function() -> impl Strategy<Value = FunctionAggregate> {
    let path = (path(), weighted(), sketch())
        .prop_map(|(path, observed, latency)| (path, PathAggregate { observed, latency }));
    (
        (weighted(), 0u64..9, weighted(), sketch(), count()),
        btree_map(0u32..40, weighted(), 0..4),
        vec(path, 0..4),
        btree_map(exit(), count(), 0..3),
        btree_map((slot(), shape()), weighted(), 0..4),
        btree_map(id(), weighted(), 0..3),
    )
        .prop_map(|(counts, outcomes, paths, exits, shapes, callers)| {
            let (calls, errors, observed, latency, duration_sum_ns) = counts;
            FunctionAggregate {
                calls,
                errors,
                observed,
                latency,
                duration_sum_ns,
                outcomes,
                paths: paths.into_iter().collect(),
                exits,
                shapes,
                callers,
            }
        })
}

fn error_flow() -> impl Strategy<Value = ErrorFlow> {
    (
        name(),
        (option::of(id()), name(), name(), 1u32..99),
        vec(id(), 0..9),
        0u32..3,
        option::of((id(), 1u32..99)),
    )
        .prop_map(|(error_type, (function, name, file, line), through, ended, end)| {
            ErrorFlow {
                error_type,
                origin: ErrorSite { function, name, file, line },
                through,
                ended: Ended::from_code(ended),
                end,
            }
        })
}

fn call_sample() -> impl Strategy<Value = CallSample> {
    (
        (id(), stream(), 1u32..1000, path(), any::<u64>()),
        vec(shape(), 0..9),
        shape(),
        option::of(id()),
        option::of(entry()),
    )
        .prop_map(|(head, arguments, returned, caller, entry)| {
            let (function, stream, weight, path, duration_ns) = head;
            CallSample {
                function,
                stream,
                weight,
                path,
                duration_ns,
                arguments,
                returned,
                caller,
                entry,
            }
        })
}

fn entry_sample() -> impl Strategy<Value = EntrySample> {
    (
        (entry(), stream(), 1u32..1000, entry_exit(), any::<u64>()),
        vec((id(), path()), 0..5),
        any::<bool>(),
        prop_oneof![Just(0), any::<u128>()],
    )
        .prop_map(|(head, paths, cut, trace_id)| {
            let (entry, stream, weight, exit, duration_ns) = head;
            EntrySample { entry, stream, weight, exit, duration_ns, paths, cut, trace_id }
        })
}

/// An aggregate whose functions are numbered 1 to [`FUNCTIONS`].
pub fn aggregate() -> impl Strategy<Value = Aggregate> {
    let entry_aggregate = (btree_map(entry_exit(), count(), 0..3), sketch())
        .prop_map(|(exits, latency)| EntryAggregate { exits, latency });
    (
        btree_map(id(), function(), 0..5),
        btree_map(error_flow(), count(), 0..3),
        btree_map(entry(), entry_aggregate, 0..3),
        vec(call_sample(), 0..5),
        vec(entry_sample(), 0..3),
        btree_map(name(), count(), 0..3),
    )
        .prop_map(|(functions, errors, entries, call_samples, entry_samples, shed)| {
            Aggregate { functions, errors, entries, call_samples, entry_samples, shed }
        })
}

/// `aggregate` with its samples in a fixed order, since theirs means nothing.
pub fn sorted(mut aggregate: Aggregate) -> Aggregate {
    aggregate.call_samples.sort();
    aggregate.entry_samples.sort();
    aggregate
}
