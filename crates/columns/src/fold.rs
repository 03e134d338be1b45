//! From columns to an aggregate.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use forksight_model::Name;
use forksight_model::aggregate::{Aggregate, Ended, ErrorFlow, ErrorSite, Weighted};
use forksight_model::function::FunctionId;
use forksight_model::path::{Exit, OutcomeSet, Path};
use forksight_model::sample::{CallSample, Entry, EntryExit, EntryKind, EntrySample, Stream};
use forksight_model::shape::{Class, Shape};
use forksight_sketch::Sketch;
use forksight_wire::window::{
    CallSamples, EXIT_CANCELLED, EXIT_CUT, EXIT_RAISED, EXIT_RETURNED, Edges, Entries,
    EntrySamples, Errors, Exits, Functions, Malformed, Outcomes, PathColumns, Paths, Shapes, Shed,
    Sketches, Window,
};

use crate::{Families, Filter, UNDEFINED};

const MAX_THROUGH: usize = 8;
const MAX_ARGUMENTS: usize = 8;
const MAX_ENTRY_PATHS: usize = 256;

/// Everything in `window`, its function numbers read by `id_of`.
///
/// # Errors
///
/// [`Malformed`] where the columns do not fit together.
pub fn decode(
    window: &Window,
    id_of: impl Fn(u32) -> Option<FunctionId>,
) -> Result<Aggregate, Malformed> {
    let mut aggregate = Aggregate::default();
    fold_into(window, &Filter::default(), &mut aggregate, id_of)?;
    Ok(aggregate)
}

/// Adds to `aggregate` what `filter` asks for of `window`, its function numbers read by `id_of`.
///
/// # Errors
///
/// [`Malformed`] where the columns do not fit together; nothing has been added then.
pub fn fold_into(
    window: &Window,
    filter: &Filter,
    aggregate: &mut Aggregate,
    id_of: impl Fn(u32) -> Option<FunctionId>,
) -> Result<(), Malformed> {
    window.check()?;
    fold_checked(window, filter, aggregate, id_of);
    Ok(())
}

/// As [`fold_into`], of a window that has been checked.
pub(crate) fn fold_checked(
    window: &Window,
    filter: &Filter,
    aggregate: &mut Aggregate,
    id_of: impl Fn(u32) -> Option<FunctionId>,
) {
    let names = Names { strings: &window.strings, made: RefCell::default() };
    let mut fold = Fold { filter, aggregate, id_of, names, undefined: 0 };
    let wants = |family| filter.families.contains(family);
    if let Some(columns) = window.functions.as_ref().filter(|_| wants(Families::FUNCTIONS)) {
        fold.functions(columns);
    }
    if let Some(columns) = window.outcomes.as_ref().filter(|_| wants(Families::OUTCOMES)) {
        fold.outcomes(columns);
    }
    if let Some(columns) = window.paths.as_ref().filter(|_| wants(Families::PATHS)) {
        fold.paths(columns);
    }
    if let Some(columns) = window.exits.as_ref().filter(|_| wants(Families::EXITS)) {
        fold.exits(columns);
    }
    if let Some(columns) = window.errors.as_ref().filter(|_| wants(Families::ERRORS)) {
        fold.errors(columns);
    }
    if let Some(columns) = window.shapes.as_ref().filter(|_| wants(Families::SHAPES)) {
        fold.shapes(columns);
    }
    if let Some(columns) = window.edges.as_ref().filter(|_| wants(Families::CALLERS)) {
        fold.callers(columns);
    }
    if let Some(columns) = window.entries.as_ref().filter(|_| wants(Families::ENTRIES)) {
        fold.entries(columns);
    }
    if let Some(columns) = window.call_samples.as_ref().filter(|_| wants(Families::CALL_SAMPLES)) {
        fold.call_samples(columns);
    }
    if let Some(columns) = window.entry_samples.as_ref().filter(|_| wants(Families::ENTRY_SAMPLES))
    {
        fold.entry_samples(columns);
    }
    if let Some(columns) = window.shed.as_ref().filter(|_| wants(Families::SHED)) {
        fold.shed(columns);
    }
    if fold.undefined > 0 && wants(Families::SHED) {
        let undefined = fold.undefined;
        add(&mut fold.aggregate.shed, UNDEFINED.into(), undefined);
    }
}

/// Every index below is in range because [`Window::check`] has passed.
struct Fold<'a, F> {
    filter: &'a Filter,
    aggregate: &'a mut Aggregate,
    id_of: F,
    names: Names<'a>,
    undefined: u64,
}

impl<F: Fn(u32) -> Option<FunctionId>> Fold<'_, F> {
    fn id(&self, number: u32) -> Option<FunctionId> {
        if number == 0 { None } else { (self.id_of)(number) }
    }

    /// The function of a row, if there is one and it is asked for.
    fn wanted(&mut self, number: u32) -> Option<FunctionId> {
        self.wanted_run(number, 1)
    }

    /// The function of `rows` rows, if there is one and it is asked for.
    fn wanted_run(&mut self, number: u32, rows: usize) -> Option<FunctionId> {
        let id = self.id(number);
        if id.is_none() {
            self.undefined += rows as u64;
        }
        id.filter(|id| self.filter.wants(*id))
    }

    fn latency(&self) -> bool {
        self.filter.families.contains(Families::LATENCY)
    }

    fn functions(&mut self, columns: &Functions) {
        let with_latency = self.latency();
        let mut sketches = Cursor::new(columns.latency.as_ref());
        for (row, number) in columns.function.iter().enumerate() {
            let buckets = sketches.next();
            let Some(id) = self.wanted(*number) else { continue };
            let function = self.aggregate.functions.entry(id).or_default();
            function.calls.merge(Weighted { n: columns.calls_n[row], w: columns.calls_w[row] });
            function.errors = function.errors.saturating_add(columns.errors[row]);
            function
                .observed
                .merge(Weighted { n: columns.observed_n[row], w: columns.observed_w[row] });
            function.duration_sum_ns =
                function.duration_sum_ns.saturating_add(columns.duration_ns[row]);
            if with_latency {
                buckets.add_to(&mut function.latency);
            }
        }
    }

    fn outcomes(&mut self, columns: &Outcomes) {
        for (number, rows) in runs(&columns.function) {
            let Some(id) = self.wanted_run(number, rows.len()) else { continue };
            let outcomes = &mut self.aggregate.functions.entry(id).or_default().outcomes;
            for row in rows {
                let count = Weighted { n: columns.n[row], w: columns.w[row] };
                outcomes.entry(columns.outcome[row]).or_default().merge(count);
            }
        }
    }

    fn paths(&mut self, columns: &Paths) {
        let with_latency = self.latency();
        let mut sketches = Cursor::new(columns.latency.as_ref());
        let Some(paths) = &columns.path else { return };
        for (number, rows) in runs(&columns.function) {
            let Some(id) = self.wanted_run(number, rows.len()) else {
                sketches.skip(rows.len());
                continue;
            };
            let into = &mut self.aggregate.functions.entry(id).or_default().paths;
            for row in rows {
                let buckets = sketches.next();
                let counts = into.entry(self.names.path(paths, row)).or_default();
                counts.observed.merge(Weighted { n: columns.n[row], w: columns.w[row] });
                if with_latency {
                    buckets.add_to(&mut counts.latency);
                }
            }
        }
    }

    fn exits(&mut self, columns: &Exits) {
        for (row, number) in columns.function.iter().enumerate() {
            let Some(id) = self.wanted(*number) else { continue };
            let exit =
                self.names.exit(columns.exit[row], columns.error_type[row], columns.line[row]);
            let function = self.aggregate.functions.entry(id).or_default();
            add(&mut function.exits, exit, columns.count[row]);
        }
    }

    fn errors(&mut self, columns: &Errors) {
        let mut through = 0;
        for row in 0..columns.count.len() {
            let first = through;
            through += columns.through_len[row] as usize;
            let ids = columns.through[first..through].iter();
            let flow = ErrorFlow {
                error_type: self.names.get(columns.error_type[row]),
                origin: ErrorSite {
                    function: self.id(columns.origin_function[row]),
                    name: self.names.get(columns.origin_name[row]),
                    file: self.names.get(columns.origin_file[row]),
                    line: columns.origin_line[row],
                },
                through: ids.filter_map(|n| self.id(*n)).take(MAX_THROUGH).collect(),
                ended: Ended::from_code(columns.ended[row]),
                end: self.id(columns.end_function[row]).map(|id| (id, columns.end_line[row])),
            };
            let end = flow.end.map(|(id, _)| id);
            let mut involved = flow.origin.function.iter().chain(&flow.through).chain(&end);
            if self.filter.functions.is_none() || involved.any(|id| self.filter.wants(*id)) {
                add(&mut self.aggregate.errors, flow, columns.count[row]);
            }
        }
    }

    fn shapes(&mut self, columns: &Shapes) {
        for (number, rows) in runs(&columns.function) {
            let Some(id) = self.wanted_run(number, rows.len()) else { continue };
            let shapes = &mut self.aggregate.functions.entry(id).or_default().shapes;
            for row in rows {
                // A position over the limit would fall onto another argument.
                let Ok(slot) = u8::try_from(columns.slot[row]) else { continue };
                let shape = self.names.shape(columns.class[row], columns.type_name[row]);
                let count = Weighted { n: columns.n[row], w: columns.w[row] };
                shapes.entry((slot, shape)).or_default().merge(count);
            }
        }
    }

    fn callers(&mut self, columns: &Edges) {
        for (row, number) in columns.function.iter().enumerate() {
            let Some(id) = self.wanted(*number) else { continue };
            // Calls from code that is not observed have no caller to be counted under.
            let Some(caller) = self.id(columns.caller[row]) else { continue };
            let callers = &mut self.aggregate.functions.entry(id).or_default().callers;
            let count = Weighted { n: columns.n[row], w: columns.w[row] };
            callers.entry(caller).or_default().merge(count);
        }
    }

    fn entries(&mut self, columns: &Entries) {
        let with_latency = self.latency();
        let mut sketches = Cursor::new(columns.latency.as_ref());
        for row in 0..columns.kind.len() {
            let buckets = sketches.next();
            let entry = self.names.entry(columns.kind[row], columns.name[row]);
            let exit = self.names.entry_exit(columns.error_type[row], columns.status_class[row]);
            let counts = self.aggregate.entries.entry(entry).or_default();
            if columns.count[row] > 0 {
                add(&mut counts.exits, exit, columns.count[row]);
            }
            if with_latency {
                buckets.add_to(&mut counts.latency);
            }
        }
    }

    fn call_samples(&mut self, columns: &CallSamples) {
        let Some(paths) = &columns.path else { return };
        let mut shapes = 0;
        for (row, number) in columns.function.iter().enumerate() {
            let first = shapes;
            shapes += columns.shape_len[row] as usize;
            let Some(function) = self.wanted(*number) else { continue };
            let shape = |at: usize| self.names.shape(columns.class[at], columns.type_name[at]);
            let mut arguments = first..shapes;
            let returned = arguments.next_back().map(shape).unwrap_or_default();
            let arguments = arguments.take(MAX_ARGUMENTS).map(shape).collect();
            let entry = self.names.entry(columns.entry_kind[row], columns.entry_name[row]);
            self.aggregate.call_samples.push(CallSample {
                function,
                stream: Stream::from_code(columns.stream[row]),
                weight: columns.weight[row],
                path: self.names.path(paths, row),
                duration_ns: columns.duration_ns[row],
                arguments,
                returned,
                caller: self.id(columns.caller[row]),
                entry: (entry != Entry::default()).then_some(entry),
            });
        }
    }

    fn entry_samples(&mut self, columns: &EntrySamples) {
        let none = PathColumns::default();
        let paths = columns.path.as_ref().unwrap_or(&none);
        let mut pairs = 0;
        for row in 0..columns.kind.len() {
            let first = pairs;
            pairs += columns.len[row] as usize;
            let numbers = &columns.function[first..pairs];
            let asked_for = self.filter.functions.is_none()
                || numbers.iter().any(|n| self.id(*n).is_some_and(|id| self.filter.wants(id)));
            if !asked_for {
                continue;
            }
            let seen: Vec<_> = (first..pairs)
                .filter_map(|at| Some((self.id(columns.function[at])?, at)))
                .take(MAX_ENTRY_PATHS)
                .map(|(id, at)| (id, self.names.path(paths, at)))
                .collect();
            self.aggregate.entry_samples.push(EntrySample {
                entry: self.names.entry(columns.kind[row], columns.name[row]),
                stream: Stream::from_code(columns.stream[row]),
                weight: columns.weight[row],
                exit: self.names.entry_exit(columns.error_type[row], columns.status_class[row]),
                duration_ns: columns.duration_ns[row],
                cut: columns.cut[row] != 0 || seen.len() < numbers.len(),
                paths: seen,
                trace_id: columns.trace_id[row]
                    .first_chunk()
                    .map_or(0, |bytes| u128::from_be_bytes(*bytes)),
            });
        }
    }

    fn shed(&mut self, columns: &Shed) {
        for (what, n) in columns.what.iter().zip(&columns.count) {
            add(&mut self.aggregate.shed, self.names.get(*what), *n);
        }
    }
}

/// The runs of rows about the same function, with its number.
fn runs(numbers: &[u32]) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut end = 0;
    numbers.chunk_by(|a, b| a == b).map(move |run| {
        let start = end;
        end += run.len();
        (run[0], start..end)
    })
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, n: u64) {
    let slot = counts.entry(key).or_default();
    *slot = slot.saturating_add(n);
}

/// The strings of a window, each made into a [`Name`] when it is first needed.
struct Names<'a> {
    strings: &'a [String],
    made: RefCell<Vec<Option<Name>>>,
}

impl Names<'_> {
    fn get(&self, index: u32) -> Name {
        let index = index as usize;
        let Some(string) = self.strings.get(index) else { return Name::default() };
        let mut made = self.made.borrow_mut();
        if made.is_empty() {
            made.resize(self.strings.len(), None);
        }
        made[index].get_or_insert_with(|| string.as_str().into()).clone()
    }

    fn optional(&self, index: u32) -> Option<Name> {
        (index != 0).then(|| self.get(index))
    }

    fn path(&self, columns: &PathColumns, row: usize) -> Path {
        Path {
            outcomes: OutcomeSet::from_bytes(&columns.outcomes[row]),
            exit: self.exit(columns.exit[row], columns.error_type[row], columns.line[row]),
            cut: columns.exit[row] & EXIT_CUT != 0,
        }
    }

    fn exit(&self, code: u32, error_type: u32, line: u32) -> Exit {
        match code & !EXIT_CUT {
            EXIT_RETURNED => Exit::Returned,
            EXIT_RAISED => Exit::Raised { error_type: self.get(error_type), line },
            EXIT_CANCELLED => Exit::Cancelled,
            _ => Exit::Unseen,
        }
    }

    fn shape(&self, class: u32, type_name: u32) -> Shape {
        Shape { class: Class::from_code(class), type_name: self.optional(type_name) }
    }

    fn entry(&self, kind: u32, name: u32) -> Entry {
        Entry { kind: EntryKind::from_code(kind), name: self.get(name) }
    }

    fn entry_exit(&self, error_type: u32, status_class: u32) -> EntryExit {
        EntryExit {
            error_type: self.optional(error_type),
            status_class: u8::try_from(status_class).unwrap_or(0),
        }
    }
}

/// Walks sketches that are stored one after the other.
struct Cursor<'a> {
    sketches: Option<&'a Sketches>,
    row: usize,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(sketches: Option<&'a Sketches>) -> Self {
        Self { sketches, row: 0, at: 0 }
    }

    fn skip(&mut self, rows: usize) {
        for _ in 0..rows {
            self.next();
        }
    }

    fn next(&mut self) -> Buckets<'a> {
        let Some(sketches) = self.sketches else { return Buckets { bucket: &[], count: &[] } };
        let from = self.at;
        self.at += sketches.len[self.row] as usize;
        self.row += 1;
        Buckets { bucket: &sketches.bucket[from..self.at], count: &sketches.count[from..self.at] }
    }
}

struct Buckets<'a> {
    bucket: &'a [u32],
    count: &'a [u64],
}

impl Buckets<'_> {
    fn add_to(&self, sketch: &mut Sketch) {
        for (bucket, n) in self.bucket.iter().zip(self.count) {
            sketch.add(*bucket as u16, *n);
        }
    }
}
