//! Columns hold what was put in, and merging follows the laws of a commutative monoid (I-MERGE).

mod arbitrary;

use arbitrary::{aggregate, sorted};
use forksight_columns::{
    Families, Filter, Folder, UNDEFINED, WindowHeader, block, decode, encode, fold_into, renumber,
};
use forksight_model::aggregate::Aggregate;
use forksight_model::function::FunctionId;
use forksight_wire::window::Window;
use proptest::prelude::*;

fn window(aggregate: &Aggregate) -> Window {
    encode(aggregate, WindowHeader::default(), |id| id.0)
}

fn read(window: &Window) -> Aggregate {
    decode(window, |number| Some(FunctionId(number))).unwrap()
}

fn merged(a: &Aggregate, b: &Aggregate) -> Aggregate {
    let mut sum = a.clone();
    sum.merge(b.clone());
    sum
}

/// Splits an aggregate in two by dealing out its rows, and halving what can be halved.
fn split(whole: &Aggregate, seed: u64) -> (Aggregate, Aggregate) {
    let (mut left, mut right) = (Aggregate::default(), Aggregate::default());
    let mut bits = (0..).map(|i| seed.rotate_right(i) & 1 == 1);
    let mut side = || bits.next() == Some(true);
    for (id, function) in &whole.functions {
        let (mut a, mut b) = (function.clone(), function.clone());
        for n in [&mut a.calls.n, &mut a.calls.w, &mut a.errors, &mut a.duration_sum_ns] {
            *n /= 2;
        }
        b.calls.n -= a.calls.n;
        b.calls.w -= a.calls.w;
        b.errors -= a.errors;
        b.duration_sum_ns -= a.duration_sum_ns;
        b.observed = Default::default();
        b.latency = Default::default();
        // Dealt out row by row: what one side keeps, the other lacks.
        a.outcomes.retain(|_, _| side());
        b.outcomes.retain(|key, _| !a.outcomes.contains_key(key));
        a.paths.retain(|_, _| side());
        b.paths.retain(|key, _| !a.paths.contains_key(key));
        a.exits.retain(|_, _| side());
        b.exits.retain(|key, _| !a.exits.contains_key(key));
        a.shapes.retain(|_, _| side());
        b.shapes.retain(|key, _| !a.shapes.contains_key(key));
        a.callers.retain(|_, _| side());
        b.callers.retain(|key, _| !a.callers.contains_key(key));
        left.functions.insert(*id, a);
        right.functions.insert(*id, b);
    }
    for (flow, n) in &whole.errors {
        left.errors.insert(flow.clone(), n / 2);
        right.errors.insert(flow.clone(), n - n / 2);
    }
    for (entry, counts) in &whole.entries {
        let half = if side() { &mut left } else { &mut right };
        half.entries.insert(entry.clone(), counts.clone());
    }
    for sample in &whole.call_samples {
        let half = if side() { &mut left } else { &mut right };
        half.call_samples.push(sample.clone());
    }
    for sample in &whole.entry_samples {
        let half = if side() { &mut left } else { &mut right };
        half.entry_samples.push(sample.clone());
    }
    for (what, n) in &whole.shed {
        left.shed.insert(what.clone(), n / 2);
        right.shed.insert(what.clone(), n - n / 2);
    }
    (left, right)
}

proptest! {
    #[test]
    fn what_is_written_is_read(a in aggregate()) {
        let window = window(&a);
        prop_assert_eq!(window.check(), Ok(()));
        prop_assert_eq!(read(&window), a);
    }

    #[test]
    fn merging_is_a_commutative_monoid(a in aggregate(), b in aggregate(), c in aggregate()) {
        prop_assert_eq!(sorted(merged(&a, &b)), sorted(merged(&b, &a)));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &Aggregate::default()), a.clone());
        prop_assert_eq!(merged(&Aggregate::default(), &a), a);
    }

    #[test]
    fn the_parts_merge_to_the_whole(whole in aggregate(), seed: u64) {
        let (left, right) = split(&whole, seed);
        prop_assert_eq!(sorted(merged(&left, &right)), sorted(whole));
    }

    #[test]
    fn folding_windows_is_merging_aggregates(parts in prop::collection::vec(aggregate(), 0..4)) {
        let mut folded = Aggregate::default();
        let mut sum = Aggregate::default();
        for part in parts {
            let id_of = |number| Some(FunctionId(number));
            fold_into(&window(&part), &Filter::default(), &mut folded, id_of).unwrap();
            sum.merge(part);
        }
        prop_assert_eq!(folded, sum);
    }

    #[test]
    fn a_folder_adds_up_as_folding_one_by_one(
        parts in prop::collection::vec(aggregate(), 0..4),
        wanted in prop::option::of(prop::collection::btree_set(1u32..13, 0..4)),
        families in 0u16..4,
    ) {
        let families = match families {
            0 => Families::ALL,
            1 => Families::FUNCTIONS,
            2 => Families::FUNCTIONS | Families::LATENCY,
            _ => Families::ALL.without(Families::FUNCTIONS),
        };
        let mut filter = Filter::families(families);
        if let Some(wanted) = wanted {
            filter = filter.of(wanted.into_iter().map(FunctionId));
        }
        let mut folder = Folder::new(filter.clone());
        let mut folded = Aggregate::default();
        for part in parts {
            let window = window(&part);
            folder.add(&block::pack(&window), &[]).unwrap();
            fold_into(&window, &filter, &mut folded, |number| Some(FunctionId(number))).unwrap();
        }
        prop_assert_eq!(folder.finish(), folded);
    }

    #[test]
    fn a_filter_takes_exactly_what_it_names(a in aggregate(), wanted in prop::collection::btree_set(1u32..13, 0..4)) {
        let wants = |id: &FunctionId| wanted.contains(&id.0);
        let filter = Filter::default().of(wanted.iter().map(|n| FunctionId(*n)));
        let mut got = Aggregate::default();
        fold_into(&window(&a), &filter, &mut got, |number| Some(FunctionId(number))).unwrap();
        let mut expected = a;
        expected.functions.retain(|id, _| wants(id));
        expected.call_samples.retain(|s| wants(&s.function));
        expected.entry_samples.retain(|s| s.paths.iter().any(|(id, _)| wants(id)));
        expected.errors.retain(|flow, _| {
            let end = flow.end.map(|(id, _)| id);
            // Eight functions are all that is kept of an error's way.
            flow.origin.function.iter().chain(flow.through.iter().take(8)).chain(&end).any(wants)
        });
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn skipped_families_are_as_if_they_had_not_been_written(a in aggregate(), families in 0usize..12) {
        let all = [
            Families::FUNCTIONS, Families::LATENCY, Families::OUTCOMES, Families::PATHS,
            Families::EXITS, Families::ERRORS, Families::SHAPES, Families::CALLERS,
            Families::ENTRIES, Families::CALL_SAMPLES, Families::ENTRY_SAMPLES, Families::SHED,
        ];
        let filter = Filter::families(all[families] | Families::FUNCTIONS);
        let whole = window(&a);
        let part = block::unpack_families(&block::pack(&whole), filter.families).unwrap();
        let (mut from_whole, mut from_part) = (Aggregate::default(), Aggregate::default());
        let id_of = |number| Some(FunctionId(number));
        fold_into(&whole, &filter, &mut from_whole, id_of).unwrap();
        fold_into(&part, &filter, &mut from_part, id_of).unwrap();
        prop_assert_eq!(&from_part, &from_whole);
        // And what was asked for is complete.
        if all[families] == Families::SHED {
            prop_assert_eq!(from_part.shed, a.shed);
        } else if all[families] == Families::CALL_SAMPLES {
            prop_assert_eq!(from_part.call_samples, a.call_samples);
        }
    }

    #[test]
    fn a_block_holds_its_window(a in aggregate()) {
        let window = window(&a);
        let bytes = block::pack(&window);
        prop_assert_eq!(&block::unpack(&bytes).unwrap(), &window);
        let (head, detail) = bytes.split_at(block::head_len(&bytes).unwrap());
        prop_assert_eq!(&block::unpack_parts(head, detail, &Filter::default()).unwrap(), &window);
        let few = Families::FUNCTIONS | Families::LATENCY;
        prop_assert!(block::head_is_enough(few));
        prop_assert_eq!(block::unpack(head).unwrap(), block::unpack_families(&bytes, few).unwrap());
    }

    #[test]
    fn sections_of_other_functions_are_not_missed(a in aggregate(), wanted in 0u32..2000) {
        // Far apart, and enough rows for several sections of each family.
        let mut many = Aggregate::default();
        for copy in 0..120 {
            let mut window = window(&a);
            renumber(&mut window, |n| Some(n + copy * 16)).unwrap();
            many.merge(read(&window));
        }
        let bytes = block::pack(&window(&many));
        prop_assert_eq!(&read(&block::unpack(&bytes).unwrap()), &many);
        let filter = Filter::default().of([FunctionId(wanted)]);
        let part = block::unpack_parts(&bytes, &[], &filter).unwrap();
        let (mut from_whole, mut from_part) = (Aggregate::default(), Aggregate::default());
        let id_of = |number| Some(FunctionId(number));
        fold_into(&window(&many), &filter, &mut from_whole, id_of).unwrap();
        fold_into(&part, &filter, &mut from_part, id_of).unwrap();
        prop_assert_eq!(from_part, from_whole);
    }

    #[test]
    fn renumbering_is_as_if_written_with_the_new_numbers(a in aggregate()) {
        let shift = |n: u32| 1000 - n;
        let mut renumbered = window(&a);
        prop_assert_eq!(renumber(&mut renumbered, |n| Some(shift(n))), Ok(0));
        let back = decode(&renumbered, |n| Some(FunctionId(shift(n)))).unwrap();
        prop_assert_eq!(back, a);
    }

    #[test]
    fn numbers_that_are_not_defined_are_left_out_and_counted(a in aggregate(), gone in 1u32..13) {
        let known = |n: u32| (n != gone).then_some(n);
        let mut renumbered = window(&a);
        let left_out = renumber(&mut renumbered, known).unwrap();
        prop_assert_eq!(renumbered.check(), Ok(()));
        let mut in_place = read(&renumbered);
        let mut on_reading = decode(&window(&a), |n| known(n).map(FunctionId)).unwrap();
        // Both leave the same out, and say so; a mention is not a row.
        let said = |aggregate: &mut Aggregate| aggregate.shed.remove(UNDEFINED).unwrap_or(0);
        prop_assert_eq!(said(&mut in_place), left_out);
        prop_assert_eq!(said(&mut on_reading), left_out);
        prop_assert_eq!(&in_place, &on_reading);
        prop_assert!(!in_place.functions.contains_key(&FunctionId(gone)));
        let mut expected = a.functions.clone();
        expected.remove(&FunctionId(gone));
        for function in expected.values_mut() {
            function.callers.remove(&FunctionId(gone));
        }
        prop_assert_eq!(in_place.functions, expected);
    }
}
