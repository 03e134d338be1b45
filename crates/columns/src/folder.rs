//! Folding many blocks.

use forksight_model::aggregate::{Aggregate, Weighted};
use forksight_model::function::FunctionId;
use forksight_wire::window::{Functions, Window};

use crate::fold::fold_checked;
use crate::{Families, Filter, block};

/// Folds blocks whose function numbers are [`FunctionId`]s, as a store's are.
///
/// The result is that of folding their windows one by one; but the counts of functions, which
/// almost every question is about, are added up in a dense table.
#[derive(Debug)]
pub struct Folder {
    filter: Filter,
    /// The filter of what the table does not hold.
    rest: Filter,
    /// By function number.
    table: Vec<Option<Box<Row>>>,
    aggregate: Aggregate,
}

/// Numbers from here on are not given by a store that is sound; they would make the table huge.
const TABLE: usize = 1 << 22;

#[derive(Debug, Default)]
struct Row {
    calls: Weighted,
    errors: u64,
    observed: Weighted,
    duration_ns: u64,
    /// Counts of the buckets from `first` on.
    latency: Vec<u64>,
    first: usize,
}

impl Folder {
    /// An empty sum of what `filter` asks for.
    pub fn new(filter: Filter) -> Self {
        let rest = Filter {
            families: filter.families.without(Families::FUNCTIONS),
            functions: filter.functions.clone(),
        };
        Self { filter, rest, table: Vec::new(), aggregate: Aggregate::default() }
    }

    /// Adds the block that consists of `head` and `detail`; see [`block::unpack_parts`].
    ///
    /// # Errors
    ///
    /// [`block::Error`] where that is not a sound block; nothing has been added then.
    pub fn add(&mut self, head: &[u8], detail: &[u8]) -> Result<(), block::Error> {
        let window = block::unpack_parts(head, detail, &self.filter)?;
        self.add_checked(&window);
        Ok(())
    }

    fn add_checked(&mut self, window: &Window) {
        let fits = |functions: &&Functions| {
            functions.function.iter().all(|number| (*number as usize) < TABLE)
        };
        let dense = self.filter.families.contains(Families::FUNCTIONS)
            && window.functions.as_ref().is_none_or(|functions| fits(&functions));
        if let Some(functions) = window.functions.as_ref().filter(|_| dense) {
            self.functions(functions);
        }
        let filter = if dense { &self.rest } else { &self.filter };
        fold_checked(window, filter, &mut self.aggregate, |number| Some(FunctionId(number)));
    }

    /// Counts what could not be added, so that readers see that something is missing.
    pub fn miss(&mut self, what: &str) {
        *self.aggregate.shed.entry(what.into()).or_default() += 1;
    }

    fn functions(&mut self, columns: &Functions) {
        let with_latency = self.filter.families.contains(Families::LATENCY);
        let latency = columns.latency.as_ref().filter(|_| with_latency);
        let mut bucket = 0;
        for (at, number) in columns.function.iter().enumerate() {
            let buckets = match latency {
                Some(latency) => {
                    let from = bucket;
                    bucket += latency.len[at] as usize;
                    from..bucket
                }
                None => 0..0,
            };
            if *number == 0 || !self.filter.wants(FunctionId(*number)) {
                continue;
            }
            let number = *number as usize;
            if self.table.len() <= number {
                self.table.resize_with(number + 1, || None);
            }
            let row = self.table[number].get_or_insert_default();
            row.calls.merge(Weighted { n: columns.calls_n[at], w: columns.calls_w[at] });
            row.errors = row.errors.saturating_add(columns.errors[at]);
            row.observed.merge(Weighted { n: columns.observed_n[at], w: columns.observed_w[at] });
            row.duration_ns = row.duration_ns.saturating_add(columns.duration_ns[at]);
            if let Some(latency) = latency {
                for at in buckets {
                    row.add_bucket(latency.bucket[at] as usize, latency.count[at]);
                }
            }
        }
    }

    /// The sum.
    pub fn finish(self) -> Aggregate {
        let mut aggregate = self.aggregate;
        for (number, row) in self.table.into_iter().enumerate() {
            let Some(row) = row else { continue };
            let function = aggregate.functions.entry(FunctionId(number as u32)).or_default();
            function.calls.merge(row.calls);
            function.errors = function.errors.saturating_add(row.errors);
            function.observed.merge(row.observed);
            function.duration_sum_ns = function.duration_sum_ns.saturating_add(row.duration_ns);
            for (n, bucket) in row.latency.iter().zip(row.first..) {
                function.latency.add(bucket as u16, *n);
            }
        }
        aggregate
    }
}

impl Row {
    fn add_bucket(&mut self, bucket: usize, n: u64) {
        if self.latency.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = self.first - bucket;
            self.latency.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let at = bucket - self.first;
        if self.latency.len() <= at {
            self.latency.resize(at + 1, 0);
        }
        self.latency[at] = self.latency[at].saturating_add(n);
    }
}
