//! Cutting families that are about functions into chunks of rows.

use std::ops::Range;

use forksight_wire::window::{
    CallSamples, Edges, Exits, Functions, Outcomes, PathColumns, Paths, Shapes, Sketches,
};

/// Rows of one chunk: few enough that looking for one function unpacks little, and enough that
/// packing finds something to save.
const ROWS: usize = 256;

/// Columns whose rows are each about one function.
pub(crate) trait Rows: Sized {
    /// The function of each row.
    fn functions(&self) -> &[u32];

    /// A copy of these rows. Chunks are cut in order, so that `cursor` knows how far the columns
    /// of varying length have been cut.
    fn cut(&self, rows: Range<usize>, cursor: &mut Cursor) -> Self;

    /// The chunks, each with its lowest and highest function number.
    fn chunks(&self) -> impl Iterator<Item = (u32, u32, Self)> {
        let functions = self.functions();
        let mut cursor = Cursor::default();
        (0..functions.len()).step_by(ROWS).map(move |from| {
            let rows = from..functions.len().min(from + ROWS);
            let numbers = functions[rows.clone()].iter().copied();
            let (first, last) = numbers.fold((u32::MAX, 0), |(a, b), n| (a.min(n), b.max(n)));
            (first, last, self.cut(rows, &mut cursor))
        })
    }
}

/// How far columns of varying length have been cut.
#[derive(Default)]
pub(crate) struct Cursor(usize);

impl Cursor {
    /// The range of the elements that belong to rows of these lengths.
    fn take(&mut self, lens: &[u32]) -> Range<usize> {
        let from = self.0;
        self.0 += lens.iter().map(|len| *len as usize).sum::<usize>();
        from..self.0
    }
}

/// The rows of a column, none where the columns do not fit together.
fn of<T: Clone>(column: &[T], rows: &Range<usize>) -> Vec<T> {
    column.get(rows.clone()).unwrap_or_default().to_vec()
}

fn sketches(all: &Option<Sketches>, rows: &Range<usize>, cursor: &mut Cursor) -> Option<Sketches> {
    all.as_ref().map(|all| {
        let len = of(&all.len, rows);
        let buckets = cursor.take(&len);
        Sketches { len, bucket: of(&all.bucket, &buckets), count: of(&all.count, &buckets) }
    })
}

fn paths(all: &Option<PathColumns>, rows: &Range<usize>) -> Option<PathColumns> {
    all.as_ref().map(|all| PathColumns {
        outcomes: of(&all.outcomes, rows),
        exit: of(&all.exit, rows),
        error_type: of(&all.error_type, rows),
        line: of(&all.line, rows),
    })
}

/// The latency sketches of functions, apart from their other columns.
pub(crate) struct Latency<'a> {
    pub(crate) functions: &'a Functions,
    pub(crate) latency: Option<Sketches>,
}

impl Rows for Latency<'_> {
    fn functions(&self) -> &[u32] {
        &self.functions.function
    }

    fn cut(&self, rows: Range<usize>, cursor: &mut Cursor) -> Self {
        let latency = sketches(&self.functions.latency, &rows, cursor);
        Self { functions: self.functions, latency }
    }
}

impl Rows for Functions {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    /// Without the sketches, which are packed apart.
    fn cut(&self, rows: Range<usize>, _: &mut Cursor) -> Self {
        Self {
            function: of(&self.function, &rows),
            calls_n: of(&self.calls_n, &rows),
            calls_w: of(&self.calls_w, &rows),
            errors: of(&self.errors, &rows),
            observed_n: of(&self.observed_n, &rows),
            observed_w: of(&self.observed_w, &rows),
            duration_ns: of(&self.duration_ns, &rows),
            latency: None,
        }
    }
}

impl Rows for Outcomes {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    fn cut(&self, rows: Range<usize>, _: &mut Cursor) -> Self {
        Self {
            function: of(&self.function, &rows),
            outcome: of(&self.outcome, &rows),
            n: of(&self.n, &rows),
            w: of(&self.w, &rows),
        }
    }
}

impl Rows for Paths {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    fn cut(&self, rows: Range<usize>, cursor: &mut Cursor) -> Self {
        Self {
            function: of(&self.function, &rows),
            path: paths(&self.path, &rows),
            n: of(&self.n, &rows),
            w: of(&self.w, &rows),
            latency: sketches(&self.latency, &rows, cursor),
        }
    }
}

impl Rows for Exits {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    fn cut(&self, rows: Range<usize>, _: &mut Cursor) -> Self {
        Self {
            function: of(&self.function, &rows),
            exit: of(&self.exit, &rows),
            error_type: of(&self.error_type, &rows),
            line: of(&self.line, &rows),
            count: of(&self.count, &rows),
        }
    }
}

impl Rows for Shapes {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    fn cut(&self, rows: Range<usize>, _: &mut Cursor) -> Self {
        Self {
            function: of(&self.function, &rows),
            slot: of(&self.slot, &rows),
            class: of(&self.class, &rows),
            type_name: of(&self.type_name, &rows),
            n: of(&self.n, &rows),
            w: of(&self.w, &rows),
        }
    }
}

impl Rows for Edges {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    fn cut(&self, rows: Range<usize>, _: &mut Cursor) -> Self {
        Self {
            caller: of(&self.caller, &rows),
            function: of(&self.function, &rows),
            n: of(&self.n, &rows),
            w: of(&self.w, &rows),
        }
    }
}

impl Rows for CallSamples {
    fn functions(&self) -> &[u32] {
        &self.function
    }

    fn cut(&self, rows: Range<usize>, cursor: &mut Cursor) -> Self {
        let shape_len = of(&self.shape_len, &rows);
        let shapes = cursor.take(&shape_len);
        Self {
            function: of(&self.function, &rows),
            stream: of(&self.stream, &rows),
            weight: of(&self.weight, &rows),
            path: paths(&self.path, &rows),
            duration_ns: of(&self.duration_ns, &rows),
            shape_len,
            class: of(&self.class, &shapes),
            type_name: of(&self.type_name, &shapes),
            caller: of(&self.caller, &rows),
            entry_kind: of(&self.entry_kind, &rows),
            entry_name: of(&self.entry_name, &rows),
        }
    }
}
