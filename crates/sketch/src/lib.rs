//! A mergeable latency sketch.
//!
//! It is the OpenTelemetry base-2 exponential histogram (OTLP metrics data model,
//! "ExponentialHistogram") at the fixed scale [`SCALE`], stored sparsely: bucket `i` covers
//! `(2^(i/16), 2^((i+1)/16)]` nanoseconds, so a quantile read from it is within 2.2 % of the truth.
//! A fixed scale makes merging a plain addition of counts: a commutative monoid (I-MERGE).
//!
//! What it is not: it keeps no minimum, maximum or sum, and it does not rescale; values of zero
//! nanoseconds go to bucket 0 together with one nanosecond.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

/// Exponential histogram scale: 2^4 buckets for each doubling.
pub const SCALE: u32 = 4;

const BUCKETS_PER_DOUBLING: f64 = (1u32 << SCALE) as f64;

/// Counts of durations by exponential bucket.
///
/// At most 1,024 distinct buckets exist for `u64` nanoseconds, which bounds its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    buckets: BTreeMap<u16, u64>,
}

impl Sketch {
    /// An empty sketch, the identity of [`merge`](Self::merge).
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts `n` durations of `nanos` nanoseconds.
    pub fn record(&mut self, nanos: u64, n: u64) {
        self.add(bucket_of(nanos), n);
    }

    /// Adds `n` to bucket `bucket`; a bucket that no `u64` can reach counts as the highest one.
    pub fn add(&mut self, bucket: u16, n: u64) {
        if n > 0 {
            let slot = self.buckets.entry(bucket.min(MAX_BUCKET)).or_default();
            *slot = slot.saturating_add(n);
        }
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &n) in &other.buckets {
            self.add(bucket, n);
        }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The `q`-quantile in nanoseconds (`0.0 ..= 1.0`), as the geometric middle of its bucket;
    /// `None` while empty.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0u64;
        for (&bucket, &n) in &self.buckets {
            seen = seen.saturating_add(n);
            if seen >= rank {
                return Some(middle_of(bucket));
            }
        }
        None
    }

    /// How many durations lie in buckets wholly or partly above `nanos`' own bucket.
    pub fn count_above(&self, nanos: u64) -> u64 {
        self.buckets
            .range(bucket_of(nanos) + 1..)
            .fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// The non-empty buckets in rising order, as (bucket, count).
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.buckets.iter().map(|(&bucket, &n)| (bucket, n))
    }
}

impl FromIterator<(u16, u64)> for Sketch {
    fn from_iter<I: IntoIterator<Item = (u16, u64)>>(buckets: I) -> Self {
        let mut sketch = Self::new();
        for (bucket, n) in buckets {
            sketch.add(bucket, n);
        }
        sketch
    }
}

const MAX_BUCKET: u16 = 64 * (1 << SCALE) - 1;

/// The bucket that counts `nanos`.
pub fn bucket_of(nanos: u64) -> u16 {
    if nanos <= 1 {
        return 0;
    }
    // Buckets are upper-inclusive, hence the ceiling minus one.
    let exact = (nanos as f64).log2() * BUCKETS_PER_DOUBLING;
    (exact.ceil() as u16).saturating_sub(1).min(MAX_BUCKET)
}

/// The geometric middle of `bucket`, in nanoseconds.
pub fn middle_of(bucket: u16) -> u64 {
    ((f64::from(bucket) + 0.5) / BUCKETS_PER_DOUBLING).exp2().round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch_of(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::new();
        for value in values {
            sketch.record(*value, 1);
        }
        sketch
    }

    fn merged(a: &Sketch, b: &Sketch) -> Sketch {
        let mut sum = a.clone();
        sum.merge(b);
        sum
    }

    #[test]
    fn an_empty_sketch_has_no_quantile() {
        assert_eq!(Sketch::new().quantile(0.5), None);
    }

    #[test]
    fn the_longest_duration_has_a_bucket() {
        assert_eq!(bucket_of(u64::MAX), MAX_BUCKET);
    }

    proptest! {
        #[test]
        fn merging_is_a_commutative_monoid(
            a: Vec<u64>, b: Vec<u64>, c: Vec<u64>,
        ) {
            let (x, y, z) = (sketch_of(&a), sketch_of(&b), sketch_of(&c));
            prop_assert_eq!(merged(&x, &y), merged(&y, &x));
            prop_assert_eq!(merged(&merged(&x, &y), &z), merged(&x, &merged(&y, &z)));
            prop_assert_eq!(merged(&x, &Sketch::new()), x.clone());
            let all: Vec<u64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(merged(&x, &y), sketch_of(&all));
        }

        #[test]
        fn a_quantile_is_within_two_point_two_percent(
            mut values in prop::collection::vec(16u64..1_000_000_000_000, 1..200),
            q in 0.0f64..=1.0,
        ) {
            let got = sketch_of(&values).quantile(q).unwrap() as f64;
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let truth = values[rank - 1] as f64;
            // Half a nanosecond of rounding matters for the smallest durations.
            prop_assert!((got - truth).abs() <= truth * 0.0222 + 0.5, "{} for {}", got, truth);
        }
    }
}
