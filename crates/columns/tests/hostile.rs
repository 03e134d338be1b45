//! What arrives may be anything.

#[expect(dead_code, reason = "not every test needs all of it")]
mod arbitrary;

use arbitrary::aggregate;
use forksight_columns::definition::{self, MAX_ARGUMENTS, MAX_NAME, Refused, clean};
use forksight_columns::{Families, WindowHeader, block, decode, encode, renumber};
use forksight_model::aggregate::{Aggregate, FunctionAggregate};
use forksight_model::function::{Function, FunctionId};
use forksight_model::path::{Exit, OutcomeSet, Path};
use forksight_wire::message::{DecisionDef, FunctionDef};
use forksight_wire::window::{CallSamples, Functions, PathColumns, Shapes, Window};
use proptest::prelude::*;
use prost::Message;

fn definition() -> FunctionDef {
    FunctionDef {
        id: 7,
        language: "python".into(),
        file: "shop/pricing.py".into(),
        root: "/srv/app".into(),
        name: "shop.pricing.apply_discount".into(),
        line: 41,
        end_line: 50,
        body_hash: 1,
        file_hash: 2,
        first_party: true,
        arguments: vec!["cart".into(), "coupon".into()],
        decisions: vec![DecisionDef {
            kind: 1,
            span: vec![44, 8, 44, 22],
            outcomes: vec!["true".into(), "false".into()],
            target_lines: vec![45, 47],
        }],
    }
}

#[test]
fn a_sound_definition_comes_back_whole() {
    let function = definition::from_wire(&definition()).unwrap();
    assert_eq!(definition::to_wire(7, &function), definition());
}

#[test]
fn definitions_that_make_no_function_are_refused() {
    let refused = |change: fn(&mut FunctionDef)| {
        let mut changed = definition();
        change(&mut changed);
        definition::from_wire(&changed).unwrap_err()
    };
    assert_eq!(refused(|d| d.id = 0), Refused::NoNumber);
    assert_eq!(refused(|d| d.name = "\u{1b}\n".into()), Refused::NoName);
    assert_eq!(refused(|d| d.decisions[0].outcomes.truncate(1)), Refused::Uneven);
    assert_eq!(
        refused(|d| d.decisions = vec![DecisionDef::default(); 4097]),
        Refused::TooManyOutcomes
    );
    assert_eq!(
        refused(|d| d.decisions[0].outcomes = vec!["case".into(); 9000]),
        Refused::TooManyOutcomes
    );
}

#[test]
fn names_are_cut_and_cannot_drive_a_terminal() {
    let mut long = definition();
    long.name = format!("\u{1b}[31m{}\u{202e}é", "é".repeat(400));
    long.arguments = vec!["x".into(); 1000];
    let function: Function = definition::from_wire(&long).unwrap();
    assert!(function.name.len() <= MAX_NAME && function.name.starts_with("[31mé"));
    assert_eq!(function.arguments.len(), MAX_ARGUMENTS);
}

#[test]
fn a_missing_span_is_no_reason_to_fail() {
    let mut short = definition();
    short.decisions[0].span = vec![44];
    assert_eq!(definition::from_wire(&short).unwrap().decisions[0].span.line, 44);
}

#[test]
fn what_does_not_fit_a_window_is_cut_and_said_to_be() {
    let mut aggregate = Aggregate::default();
    let mut function = FunctionAggregate::default();
    let path = Path {
        outcomes: OutcomeSet::from_bytes(&[255; 100]),
        exit: Exit::Raised { error_type: "é".repeat(1000).as_str().into(), line: 1 },
        cut: false,
    };
    function.paths.entry(path).or_default().observed.n = 3;
    aggregate.functions.insert(FunctionId(1), function);
    let window = encode(&aggregate, WindowHeader::default(), |id| id.0);
    assert_eq!(window.check(), Ok(()));
    let back = decode(&window, |n| Some(FunctionId(n))).unwrap();
    let (path, counts) = back.functions[&FunctionId(1)].paths.first_key_value().unwrap();
    assert!(path.cut && path.outcomes.as_bytes().len() == 64 && counts.observed.n == 3);
}

#[test]
fn columns_that_do_not_fit_together_are_refused_whole() {
    let functions = Functions { function: vec![1], ..Functions::default() };
    let mut window = Window { functions: Some(functions), ..Window::default() };
    let before = window.clone();
    assert_eq!(decode(&window, |n| Some(FunctionId(n))).unwrap_err().family, "functions");
    assert_eq!(renumber(&mut window, Some).unwrap_err().family, "functions");
    assert_eq!(window, before);
}

#[test]
fn sums_that_cannot_be_held_stay_at_the_highest_number() {
    let row = Functions {
        function: vec![1, 1],
        calls_n: vec![u64::MAX; 2],
        calls_w: vec![u64::MAX; 2],
        errors: vec![u64::MAX; 2],
        observed_n: vec![u64::MAX; 2],
        observed_w: vec![u64::MAX; 2],
        duration_ns: vec![u64::MAX; 2],
        latency: Some(forksight_wire::window::Sketches { len: vec![0, 0], ..Default::default() }),
    };
    let window = Window { functions: Some(row), ..Window::default() };
    let mut twice = decode(&window, |n| Some(FunctionId(n))).unwrap();
    twice.merge(twice.clone());
    assert_eq!(twice.functions[&FunctionId(1)].errors, u64::MAX);
}

#[test]
fn an_argument_position_out_of_range_falls_on_no_other_argument() {
    let shapes = Shapes {
        function: vec![1],
        slot: vec![256],
        class: vec![1 << 8],
        type_name: vec![0],
        n: vec![1],
        w: vec![1],
    };
    let window = Window { shapes: Some(shapes), ..Window::default() };
    assert!(
        decode(&window, |n| Some(FunctionId(n)))
            .unwrap()
            .functions
            .values()
            .all(|f| f.shapes.is_empty())
    );
}

#[test]
fn a_sample_keeps_its_return_value_when_arguments_are_over_the_limit() {
    let row = CallSamples {
        function: vec![1],
        stream: vec![0],
        weight: vec![1],
        path: Some(PathColumns {
            outcomes: vec![vec![]],
            exit: vec![0],
            error_type: vec![0],
            line: vec![0],
        }),
        duration_ns: vec![1],
        shape_len: vec![21],
        class: (0..21).map(|i| if i == 20 { 1 << 8 } else { 3 << 8 }).collect(),
        type_name: vec![0; 21],
        caller: vec![0],
        entry_kind: vec![0],
        entry_name: vec![0],
    };
    let window = Window { call_samples: Some(row), ..Window::default() };
    let sample = &decode(&window, |n| Some(FunctionId(n))).unwrap().call_samples[0];
    assert_eq!(sample.arguments.len(), 8);
    assert_eq!(sample.returned.label(), "None");
}

#[test]
fn a_block_of_a_newer_format_says_so() {
    let mut bytes = block::pack(&Window::default());
    bytes[0] = 2;
    assert_eq!(block::unpack(&bytes), Err(block::Error::Newer { version: 2 }));
}

proptest! {
    #[test]
    fn random_bytes_are_no_block(bytes: Vec<u8>) {
        let _ = block::unpack(&bytes);
        prop_assert!(block::unpack_families(&bytes, Families::FUNCTIONS).is_err());
    }

    #[test]
    fn a_block_with_a_flipped_bit_is_damaged(a in aggregate(), at: prop::sample::Index, bit in 0..8) {
        let mut bytes = block::pack(&encode(&a, WindowHeader::default(), |id| id.0));
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        prop_assert!(block::unpack(&bytes).is_err(), "byte {} bit {}", at, bit);
    }

    /// Past the hash, as a writer that means harm would get.
    #[test]
    fn any_message_is_read_or_refused(mut message: Vec<u8>, a in aggregate(), cut: prop::sample::Index) {
        let mut whole = encode(&a, WindowHeader::default(), |id| id.0).encode_to_vec();
        whole.truncate(cut.index(whole.len() + 1));
        whole.append(&mut message);
        if let Ok(mut window) = Window::decode(&whole[..]) {
            let id_of = |n: u32| (!n.is_multiple_of(3)).then_some(FunctionId(n));
            let read = decode(&window, id_of);
            prop_assert_eq!(read.is_ok(), window.check().is_ok());
            if renumber(&mut window, |n| id_of(n).map(|id| id.0)).is_ok() {
                prop_assert_eq!(window.check(), Ok(()));
            }
        }
    }

    #[test]
    fn any_definition_is_read_or_refused(bytes: Vec<u8>) {
        if let Ok(definition) = FunctionDef::decode(&bytes[..]) {
            let _ = definition::from_wire(&definition);
        }
    }

    #[test]
    fn clean_text_is_short_and_printable(text: String) {
        let cleaned = clean(&text);
        prop_assert!(cleaned.len() <= MAX_NAME && !cleaned.contains(char::is_control));
        prop_assert_eq!(clean(&cleaned), cleaned);
    }
}
