//! From an aggregate to columns.

use std::collections::HashMap;

use forksight_model::aggregate::{Aggregate, FunctionAggregate};
use forksight_model::function::FunctionId;
use forksight_model::path::{Exit, Path};
use forksight_model::shape::Shape;
use forksight_sketch::Sketch;
use forksight_wire::window::{
    CallSamples, EXIT_CANCELLED, EXIT_CUT, EXIT_RAISED, EXIT_RETURNED, EXIT_UNSEEN, Edges, Entries,
    EntrySamples, Errors, Exits, Functions, MAX_STRING, Outcomes, PathColumns, Paths, Shapes, Shed,
    Sketches, Window,
};

use crate::UNDEFINED;

/// The longest outcome set a window may hold, in bytes.
const MAX_OUTCOME_BYTES: usize = 64;

/// What a window carries besides its aggregate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowHeader {
    /// Number within (instance, epoch), rising, from 1.
    pub seq: u64,
    /// When it began, in milliseconds since 1970.
    pub start_ms: u64,
    /// How long it lasted, in milliseconds.
    pub duration_ms: u32,
}

/// Writes `aggregate` as columns, functions numbered by `number_of` (0 for one without a number:
/// rows about it are left out).
///
/// The result passes [`Window::check`]: strings over its limit are cut, outcome sets over its
/// limit are cut and marked so.
pub fn encode(
    aggregate: &Aggregate,
    header: WindowHeader,
    number_of: impl Fn(FunctionId) -> u32,
) -> Window {
    let mut encoder = Encoder { strings: Strings::default(), number_of, undefined: 0 };
    let mut window = Window {
        seq: header.seq,
        start_ms: header.start_ms,
        duration_ms: header.duration_ms,
        ..Window::default()
    };
    encoder.functions(aggregate, &mut window);
    window.errors = encoder.errors(aggregate);
    window.entries = encoder.entries(aggregate);
    window.call_samples = encoder.call_samples(aggregate);
    window.entry_samples = encoder.entry_samples(aggregate);
    window.shed = encoder.shed(aggregate);
    window.strings = encoder.strings.table;
    window
}

struct Encoder<F> {
    strings: Strings,
    number_of: F,
    undefined: u64,
}

impl<F: Fn(FunctionId) -> u32> Encoder<F> {
    fn number(&self, id: Option<FunctionId>) -> u32 {
        id.map_or(0, &self.number_of)
    }

    fn functions(&mut self, aggregate: &Aggregate, window: &mut Window) {
        let mut numbered: Vec<(u32, &FunctionAggregate)> = Vec::new();
        for (id, function) in &aggregate.functions {
            match (self.number_of)(*id) {
                0 => self.undefined += 1,
                number => numbered.push((number, function)),
            }
        }
        numbered.sort_by_key(|(number, _)| *number);

        let mut functions = Functions::default();
        let mut latency = Sketches::default();
        let mut outcomes = Outcomes::default();
        let mut paths = Paths::default();
        let mut path_columns = PathColumns::default();
        let mut path_latency = Sketches::default();
        let mut exits = Exits::default();
        let mut shapes = Shapes::default();
        let mut edges = Edges::default();
        for (number, function) in numbered {
            functions.function.push(number);
            functions.calls_n.push(function.calls.n);
            functions.calls_w.push(function.calls.w);
            functions.errors.push(function.errors);
            functions.observed_n.push(function.observed.n);
            functions.observed_w.push(function.observed.w);
            functions.duration_ns.push(function.duration_sum_ns);
            push_sketch(&mut latency, &function.latency);
            for (outcome, count) in &function.outcomes {
                outcomes.function.push(number);
                outcomes.outcome.push(*outcome);
                outcomes.n.push(count.n);
                outcomes.w.push(count.w);
            }
            for (path, counts) in &function.paths {
                paths.function.push(number);
                self.push_path(&mut path_columns, path);
                paths.n.push(counts.observed.n);
                paths.w.push(counts.observed.w);
                push_sketch(&mut path_latency, &counts.latency);
            }
            for (exit, n) in &function.exits {
                let (code, error_type, line) = self.exit(exit);
                exits.function.push(number);
                exits.exit.push(code);
                exits.error_type.push(error_type);
                exits.line.push(line);
                exits.count.push(*n);
            }
            for ((slot, shape), count) in &function.shapes {
                let (class, type_name) = self.shape(shape);
                shapes.function.push(number);
                shapes.slot.push(u32::from(*slot));
                shapes.class.push(class);
                shapes.type_name.push(type_name);
                shapes.n.push(count.n);
                shapes.w.push(count.w);
            }
            for (caller, count) in &function.callers {
                match (self.number_of)(*caller) {
                    0 => self.undefined += 1,
                    caller => {
                        edges.caller.push(caller);
                        edges.function.push(number);
                        edges.n.push(count.n);
                        edges.w.push(count.w);
                    }
                }
            }
        }
        functions.latency = Some(latency);
        paths.path = Some(path_columns);
        paths.latency = Some(path_latency);
        window.functions = (!functions.function.is_empty()).then_some(functions);
        window.outcomes = (!outcomes.function.is_empty()).then_some(outcomes);
        window.paths = (!paths.function.is_empty()).then_some(paths);
        window.exits = (!exits.function.is_empty()).then_some(exits);
        window.shapes = (!shapes.function.is_empty()).then_some(shapes);
        window.edges = (!edges.function.is_empty()).then_some(edges);
    }

    fn errors(&mut self, aggregate: &Aggregate) -> Option<Errors> {
        let mut errors = Errors::default();
        for (flow, n) in &aggregate.errors {
            errors.error_type.push(self.strings.index(&flow.error_type));
            errors.origin_function.push(self.number(flow.origin.function));
            errors.origin_name.push(self.strings.index(&flow.origin.name));
            errors.origin_file.push(self.strings.index(&flow.origin.file));
            errors.origin_line.push(flow.origin.line);
            let before = errors.through.len();
            errors
                .through
                .extend(flow.through.iter().map(|id| (self.number_of)(*id)).filter(|n| *n != 0));
            errors.through_len.push((errors.through.len() - before) as u32);
            errors.ended.push(flow.ended as u32);
            // A line without a function would mean nothing.
            let end = flow.end.map(|(id, line)| ((self.number_of)(id), line));
            let (function, line) = end.filter(|(number, _)| *number != 0).unwrap_or_default();
            errors.end_function.push(function);
            errors.end_line.push(line);
            errors.count.push(*n);
        }
        (!errors.count.is_empty()).then_some(errors)
    }

    fn entries(&mut self, aggregate: &Aggregate) -> Option<Entries> {
        let mut entries = Entries::default();
        let mut latency = Sketches::default();
        for (entry, counts) in &aggregate.entries {
            // The sketch belongs to the entry, so it goes with its first row; an entry that has
            // only a sketch gets a row that counts nothing.
            let mut sketch = Some(&counts.latency);
            let none = Default::default();
            let only = [(&none, &0)];
            let rows: &mut dyn Iterator<Item = _> = if counts.exits.is_empty() {
                &mut only.into_iter()
            } else {
                &mut counts.exits.iter()
            };
            for (exit, n) in rows {
                entries.kind.push(entry.kind as u32);
                entries.name.push(self.strings.index(&entry.name));
                entries.error_type.push(self.strings.optional(exit.error_type.as_deref()));
                entries.status_class.push(u32::from(exit.status_class));
                entries.count.push(*n);
                match sketch.take() {
                    Some(sketch) => push_sketch(&mut latency, sketch),
                    None => latency.len.push(0),
                }
            }
        }
        entries.latency = Some(latency);
        (!entries.kind.is_empty()).then_some(entries)
    }

    fn call_samples(&mut self, aggregate: &Aggregate) -> Option<CallSamples> {
        let mut samples = CallSamples::default();
        let mut path = PathColumns::default();
        for sample in &aggregate.call_samples {
            let number = (self.number_of)(sample.function);
            if number == 0 {
                self.undefined += 1;
                continue;
            }
            samples.function.push(number);
            samples.stream.push(sample.stream as u32);
            samples.weight.push(sample.weight);
            self.push_path(&mut path, &sample.path);
            samples.duration_ns.push(sample.duration_ns);
            samples.shape_len.push(sample.arguments.len() as u32 + 1);
            for shape in sample.arguments.iter().chain([&sample.returned]) {
                let (class, type_name) = self.shape(shape);
                samples.class.push(class);
                samples.type_name.push(type_name);
            }
            samples.caller.push(self.number(sample.caller));
            let entry = sample.entry.as_ref();
            samples.entry_kind.push(entry.map_or(0, |entry| entry.kind as u32));
            samples.entry_name.push(self.strings.optional(entry.map(|entry| &*entry.name)));
        }
        samples.path = Some(path);
        (!samples.function.is_empty()).then_some(samples)
    }

    fn entry_samples(&mut self, aggregate: &Aggregate) -> Option<EntrySamples> {
        let mut samples = EntrySamples::default();
        let mut path = PathColumns::default();
        for sample in &aggregate.entry_samples {
            samples.kind.push(sample.entry.kind as u32);
            samples.name.push(self.strings.index(&sample.entry.name));
            samples.stream.push(sample.stream as u32);
            samples.weight.push(sample.weight);
            samples.error_type.push(self.strings.optional(sample.exit.error_type.as_deref()));
            samples.status_class.push(u32::from(sample.exit.status_class));
            samples.duration_ns.push(sample.duration_ns);
            let before = samples.function.len();
            for (id, seen) in &sample.paths {
                let number = (self.number_of)(*id);
                if number != 0 {
                    samples.function.push(number);
                    self.push_path(&mut path, seen);
                }
            }
            let kept = samples.function.len() - before;
            samples.len.push(kept as u32);
            samples.cut.push(u32::from(sample.cut || kept < sample.paths.len()));
            samples.trace_id.push(match sample.trace_id {
                0 => Vec::new(),
                id => id.to_be_bytes().to_vec(),
            });
        }
        samples.path = Some(path);
        (!samples.kind.is_empty()).then_some(samples)
    }

    fn shed(&mut self, aggregate: &Aggregate) -> Option<Shed> {
        let mut shed = Shed::default();
        for (what, n) in &aggregate.shed {
            shed.what.push(self.strings.index(what));
            shed.count.push(*n);
        }
        if self.undefined > 0 {
            shed.what.push(self.strings.index(UNDEFINED));
            shed.count.push(self.undefined);
        }
        (!shed.what.is_empty()).then_some(shed)
    }

    fn push_path(&mut self, columns: &mut PathColumns, path: &Path) {
        let bytes = path.outcomes.as_bytes();
        let kept = &bytes[..bytes.len().min(MAX_OUTCOME_BYTES)];
        let (code, error_type, line) = self.exit(&path.exit);
        let cut = path.cut || kept.len() < bytes.len();
        columns.outcomes.push(kept.to_vec());
        columns.exit.push(if cut { code | EXIT_CUT } else { code });
        columns.error_type.push(error_type);
        columns.line.push(line);
    }

    fn exit(&mut self, exit: &Exit) -> (u32, u32, u32) {
        match exit {
            Exit::Returned => (EXIT_RETURNED, 0, 0),
            Exit::Raised { error_type, line } => {
                (EXIT_RAISED, self.strings.index(error_type), *line)
            }
            Exit::Cancelled => (EXIT_CANCELLED, 0, 0),
            Exit::Unseen => (EXIT_UNSEEN, 0, 0),
        }
    }

    fn shape(&mut self, shape: &Shape) -> (u32, u32) {
        (shape.class.code(), self.strings.optional(shape.type_name.as_deref()))
    }
}

fn push_sketch(columns: &mut Sketches, sketch: &Sketch) {
    let before = columns.bucket.len();
    for (bucket, n) in sketch.buckets() {
        columns.bucket.push(u32::from(bucket));
        columns.count.push(n);
    }
    columns.len.push((columns.bucket.len() - before) as u32);
}

/// The string table of a window under construction.
#[derive(Default)]
struct Strings {
    table: Vec<String>,
    index: HashMap<String, u32>,
}

impl Strings {
    fn optional(&mut self, string: Option<&str>) -> u32 {
        string.map_or(0, |string| self.index(string))
    }

    fn index(&mut self, string: &str) -> u32 {
        if string.is_empty() {
            return 0;
        }
        let string = &string[..string.floor_char_boundary(MAX_STRING)];
        if let Some(index) = self.index.get(string) {
            return *index;
        }
        if self.table.is_empty() {
            self.table.push(String::new());
        }
        let index = self.table.len() as u32;
        self.table.push(string.to_owned());
        self.index.insert(string.to_owned(), index);
        index
    }
}
