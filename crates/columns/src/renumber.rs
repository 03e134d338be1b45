//! Replacing function numbers without decoding.

use forksight_wire::window::{CallSamples, EntrySamples, Malformed, PathColumns, Sketches, Window};

use crate::UNDEFINED;

/// Replaces every function number of `window` by `number_of` it, in place.
///
/// Number 0 stays 0. Rows about a number for which `number_of` gives `None` (or 0) are left out
/// and counted under [`UNDEFINED`]; where such a number is only mentioned (a caller, a function an
/// error passed through, a pair of an entry sample) the mention alone is left out. Returns how
/// many rows were left out.
///
/// # Errors
///
/// [`Malformed`] where the columns do not fit together; the window is unchanged then.
pub fn renumber(
    window: &mut Window,
    number_of: impl Fn(u32) -> Option<u32>,
) -> Result<u64, Malformed> {
    window.check()?;
    let mut left_out = 0;
    let mut rows = |column: &mut Vec<u32>| {
        for number in &mut *column {
            *number = if *number == 0 { 0 } else { number_of(*number).unwrap_or(0) };
        }
        let keep: Vec<bool> = column.iter().map(|number| *number != 0).collect();
        let gone = keep.iter().filter(|keep| !**keep).count();
        left_out += gone as u64;
        (gone > 0).then_some(keep)
    };
    let mention = |number: &mut u32| {
        *number = if *number == 0 { 0 } else { number_of(*number).unwrap_or(0) };
    };

    if let Some(f) = &mut window.functions
        && let Some(keep) = rows(&mut f.function)
    {
        retain(&mut f.function, &keep);
        retain(&mut f.calls_n, &keep);
        retain(&mut f.calls_w, &keep);
        retain(&mut f.errors, &keep);
        retain(&mut f.observed_n, &keep);
        retain(&mut f.observed_w, &keep);
        retain(&mut f.duration_ns, &keep);
        retain_sketches(f.latency.as_mut(), &keep);
    }
    if let Some(o) = &mut window.outcomes
        && let Some(keep) = rows(&mut o.function)
    {
        retain(&mut o.function, &keep);
        retain(&mut o.outcome, &keep);
        retain(&mut o.n, &keep);
        retain(&mut o.w, &keep);
    }
    if let Some(p) = &mut window.paths
        && let Some(keep) = rows(&mut p.function)
    {
        retain(&mut p.function, &keep);
        retain_paths(p.path.as_mut(), &keep);
        retain(&mut p.n, &keep);
        retain(&mut p.w, &keep);
        retain_sketches(p.latency.as_mut(), &keep);
    }
    if let Some(e) = &mut window.exits
        && let Some(keep) = rows(&mut e.function)
    {
        retain(&mut e.function, &keep);
        retain(&mut e.exit, &keep);
        retain(&mut e.error_type, &keep);
        retain(&mut e.line, &keep);
        retain(&mut e.count, &keep);
    }
    if let Some(s) = &mut window.shapes
        && let Some(keep) = rows(&mut s.function)
    {
        retain(&mut s.function, &keep);
        retain(&mut s.slot, &keep);
        retain(&mut s.class, &keep);
        retain(&mut s.type_name, &keep);
        retain(&mut s.n, &keep);
        retain(&mut s.w, &keep);
    }
    if let Some(e) = &mut window.edges {
        e.caller.iter_mut().for_each(mention);
        if let Some(keep) = rows(&mut e.function) {
            retain(&mut e.caller, &keep);
            retain(&mut e.function, &keep);
            retain(&mut e.n, &keep);
            retain(&mut e.w, &keep);
        }
    }
    if let Some(c) = &mut window.call_samples {
        c.caller.iter_mut().for_each(mention);
        if let Some(keep) = rows(&mut c.function) {
            retain_call_samples(c, &keep);
        }
    }
    if let Some(e) = &mut window.errors {
        e.origin_function.iter_mut().for_each(mention);
        e.end_function.iter_mut().for_each(mention);
        e.through.iter_mut().for_each(mention);
        let keep: Vec<bool> = e.through.iter().map(|number| *number != 0).collect();
        retain_groups(&mut e.through_len, &keep);
        retain(&mut e.through, &keep);
    }
    if let Some(e) = &mut window.entry_samples {
        e.function.iter_mut().for_each(mention);
        drop_unknown_pairs(e);
    }
    if left_out > 0 {
        count_undefined(window, left_out);
    }
    Ok(left_out)
}

fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut rows = keep.iter();
    column.retain(|_| rows.next() == Some(&true));
}

/// Shortens the groups of `lens` by the elements that are not kept.
fn retain_groups(lens: &mut [u32], keep: &[bool]) {
    let mut rest = keep;
    for len in lens {
        let (group, tail) = rest.split_at(*len as usize);
        *len = group.iter().filter(|keep| **keep).count() as u32;
        rest = tail;
    }
}

/// Which elements of groups belong to a row that is kept.
fn spread(lens: &[u32], keep: &[bool]) -> Vec<bool> {
    lens.iter().zip(keep).flat_map(|(len, keep)| vec![*keep; *len as usize]).collect()
}

fn retain_sketches(sketches: Option<&mut Sketches>, keep: &[bool]) {
    let Some(sketches) = sketches else { return };
    let buckets = spread(&sketches.len, keep);
    retain(&mut sketches.bucket, &buckets);
    retain(&mut sketches.count, &buckets);
    retain(&mut sketches.len, keep);
}

fn retain_paths(paths: Option<&mut PathColumns>, keep: &[bool]) {
    let Some(paths) = paths else { return };
    retain(&mut paths.outcomes, keep);
    retain(&mut paths.exit, keep);
    retain(&mut paths.error_type, keep);
    retain(&mut paths.line, keep);
}

fn retain_call_samples(samples: &mut CallSamples, keep: &[bool]) {
    let shapes = spread(&samples.shape_len, keep);
    retain(&mut samples.class, &shapes);
    retain(&mut samples.type_name, &shapes);
    retain(&mut samples.shape_len, keep);
    retain(&mut samples.function, keep);
    retain(&mut samples.stream, keep);
    retain(&mut samples.weight, keep);
    retain_paths(samples.path.as_mut(), keep);
    retain(&mut samples.duration_ns, keep);
    retain(&mut samples.caller, keep);
    retain(&mut samples.entry_kind, keep);
    retain(&mut samples.entry_name, keep);
}

fn drop_unknown_pairs(samples: &mut EntrySamples) {
    let keep: Vec<bool> = samples.function.iter().map(|number| *number != 0).collect();
    let before = samples.len.clone();
    retain_groups(&mut samples.len, &keep);
    for ((cut, before), after) in samples.cut.iter_mut().zip(before).zip(&samples.len) {
        if *after < before {
            *cut = 1;
        }
    }
    retain(&mut samples.function, &keep);
    retain_paths(samples.path.as_mut(), &keep);
}

fn count_undefined(window: &mut Window, n: u64) {
    if window.strings.is_empty() {
        window.strings.push(String::new());
    }
    let index = window.strings.iter().position(|s| s == UNDEFINED).unwrap_or_else(|| {
        window.strings.push(UNDEFINED.to_owned());
        window.strings.len() - 1
    });
    let shed = window.shed.get_or_insert_default();
    shed.what.push(index as u32);
    shed.count.push(n);
}
