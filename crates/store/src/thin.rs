//! Keeping fewer samples when blocks are folded.

use std::collections::{BTreeMap, BTreeSet};

use forksight_model::aggregate::Aggregate;
use forksight_model::sample::{CallSample, EntrySample, Stream};

use crate::Level;

/// How many samples a block keeps: of each function the uniform ones, of each function and exit
/// the stratified ones; and likewise of each entry. Analysis looks at 4,096 samples at most, and a
/// comparison spans many blocks.
fn limits(level: Level) -> (usize, usize) {
    match level {
        Level::Window => (usize::MAX, usize::MAX),
        Level::Minute => (64, 16),
        Level::TenMinutes => (128, 32),
        Level::Hour => (256, 64),
        Level::Day => (512, 128),
    }
}

/// First examples kept of each path, and of each entry and exit.
const EXEMPLARS: usize = 3;

/// Drops samples over the limits of `level`; `seed` decides which.
///
/// Uniform samples are drawn with probability proportional to their weight, systematically
/// (Madow 1949): the cumulated weights are cut into equal pieces and each piece picks the sample
/// it begins in. Each sample's weight becomes the length of the pieces that picked it, so that
/// weights still sum to what they summed to, and every weighted mean keeps its expectation.
pub(crate) fn thin(aggregate: &mut Aggregate, level: Level, seed: u64) {
    let limits = limits(level);
    let mut seed = Seed(seed);
    let calls = std::mem::take(&mut aggregate.call_samples);
    let exits = |s: &CallSample| (s.function, s.path.exit.clone());
    let paths = |s: &CallSample| (s.function, s.path.clone());
    aggregate.call_samples = thin_all(calls, limits, &mut seed, |s| s.function, exits, paths);
    // Blocks are cut into sections by function.
    aggregate.call_samples.sort_by_key(|sample| sample.function);
    let entries = std::mem::take(&mut aggregate.entry_samples);
    let exits = |s: &EntrySample| (s.entry.clone(), s.exit.clone());
    aggregate.entry_samples =
        thin_all(entries, limits, &mut seed, |s| s.entry.clone(), exits, exits);
}

trait Sample: Ord {
    fn stream(&self) -> Stream;
    fn weight(&mut self) -> &mut u32;
}

impl Sample for CallSample {
    fn stream(&self) -> Stream {
        self.stream
    }

    fn weight(&mut self) -> &mut u32 {
        &mut self.weight
    }
}

impl Sample for EntrySample {
    fn stream(&self) -> Stream {
        self.stream
    }

    fn weight(&mut self) -> &mut u32 {
        &mut self.weight
    }
}

fn thin_all<S: Sample, U: Ord, X: Ord, E: Ord>(
    samples: Vec<S>,
    (uniform_limit, stratified_limit): (usize, usize),
    seed: &mut Seed,
    uniform_key: impl Fn(&S) -> U,
    stratified_key: impl Fn(&S) -> X,
    exemplar_key: impl Fn(&S) -> E,
) -> Vec<S> {
    let mut uniform: BTreeMap<U, Vec<S>> = BTreeMap::new();
    let mut stratified: BTreeMap<X, Vec<S>> = BTreeMap::new();
    let mut exemplars: BTreeMap<E, BTreeSet<S>> = BTreeMap::new();
    for sample in samples {
        match sample.stream() {
            Stream::Uniform => uniform.entry(uniform_key(&sample)).or_default().push(sample),
            Stream::Stratified => {
                stratified.entry(stratified_key(&sample)).or_default().push(sample);
            }
            Stream::Exemplar => {
                exemplars.entry(exemplar_key(&sample)).or_default().insert(sample);
            }
        }
    }
    let mut kept = Vec::new();
    for mut group in uniform.into_values() {
        draw_by_weight(&mut group, uniform_limit, seed);
        kept.extend(group);
    }
    for mut group in stratified.into_values() {
        draw(&mut group, stratified_limit, seed);
        kept.extend(group);
    }
    for group in exemplars.into_values() {
        kept.extend(group.into_iter().take(EXEMPLARS));
    }
    kept
}

/// Keeps `limit` of `samples`, each with probability proportional to its weight.
fn draw_by_weight<S: Sample>(samples: &mut Vec<S>, limit: usize, seed: &mut Seed) {
    if samples.len() <= limit {
        return;
    }
    let total: u64 = samples.iter_mut().map(|sample| u64::from(*sample.weight())).sum();
    if total < limit as u64 {
        // Only samples without weight can bring this about; they stand for nothing.
        samples.retain_mut(|sample| *sample.weight() > 0);
        return;
    }
    // Pieces differ by one where the total does not divide: bounds are exact in integers.
    let bound = |piece: u64| (u128::from(total) * u128::from(piece) / limit as u128) as u64;
    let first = seed.below(bound(1).max(1));
    let (mut before, mut piece) = (0, 0);
    samples.retain_mut(|sample| {
        let after = before + u64::from(*sample.weight());
        let mut weight = 0;
        while piece < limit as u64 && bound(piece) + first < after {
            weight += bound(piece + 1) - bound(piece);
            piece += 1;
        }
        before = after;
        *sample.weight() = u32::try_from(weight).unwrap_or(u32::MAX);
        weight > 0
    });
}

/// Keeps `limit` of `samples`, each with the same probability.
fn draw<S>(samples: &mut Vec<S>, limit: usize, seed: &mut Seed) {
    for place in 0..limit.min(samples.len()) {
        let pick = place + seed.below((samples.len() - place) as u64) as usize;
        samples.swap(place, pick);
    }
    samples.truncate(limit);
}

/// SplitMix64 (Steele, Lea, Flood 2014): one number after another from a seed.
struct Seed(u64);

impl Seed {
    /// A number below `bound`, which must not be 0; the bias of the remainder is below 2⁻³².
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use forksight_model::function::FunctionId;
    use forksight_model::path::{Exit, OutcomeSet, Path};
    use forksight_model::sample::{Entry, EntryExit};
    use forksight_model::shape::Shape;
    use proptest::prelude::*;

    use super::*;

    fn sample(stream: Stream, weight: u32, duration_ns: u64) -> CallSample {
        CallSample {
            function: FunctionId(1),
            stream,
            weight,
            path: Path::default(),
            duration_ns,
            arguments: Vec::new(),
            returned: Shape::default(),
            caller: None,
            entry: None,
        }
    }

    fn thinned(samples: Vec<CallSample>, level: Level, seed: u64) -> Vec<CallSample> {
        let mut aggregate = Aggregate { call_samples: samples, ..Aggregate::default() };
        thin(&mut aggregate, level, seed);
        aggregate.call_samples
    }

    fn total(samples: &[CallSample]) -> u64 {
        samples.iter().map(|sample| u64::from(sample.weight)).sum()
    }

    proptest! {
        #[test]
        fn uniform_weights_keep_their_sum(
            weights in prop::collection::vec(0u32..1 << 20, 0..400),
            seed: u64,
        ) {
            let samples: Vec<_> =
                weights.iter().map(|weight| sample(Stream::Uniform, *weight, 0)).collect();
            let kept = thinned(samples.clone(), Level::Minute, seed);
            prop_assert_eq!(total(&kept), total(&samples));
            prop_assert!(kept.len() <= samples.len().min(64));
            // Thinning again, as coarser levels do, changes nothing more than it must.
            prop_assert_eq!(total(&thinned(kept.clone(), Level::Minute, !seed)), total(&kept));
        }
    }

    #[test]
    fn a_weighted_share_keeps_its_expectation() {
        // One call in twenty is slow; samples of slow calls weigh less, as after a change of rate.
        let samples: Vec<_> = (0..1000u64)
            .map(|i| {
                let slow = i % 20 == 0;
                sample(Stream::Uniform, if slow { 7 } else { 31 }, u64::from(slow))
            })
            .collect();
        let slow = |samples: &[CallSample]| -> u64 {
            samples.iter().map(|s| u64::from(s.weight) * s.duration_ns).sum()
        };
        let truth = slow(&samples) as f64;
        let runs = 4000;
        let sum: u64 =
            (0..runs).map(|seed| slow(&thinned(samples.clone(), Level::Minute, seed))).sum();
        let mean = sum as f64 / runs as f64;
        // One of 64 pieces weighs about 466, and 0.75 pieces are slow on average, so the standard
        // error of the mean is below 466 / 63 < 8; five of them.
        assert!((mean - truth).abs() < 40.0, "{mean} for {truth}");
    }

    #[test]
    fn the_other_streams_keep_a_share_of_each_kind() {
        let failing = |i| {
            let mut failing = sample(Stream::Stratified, 1, i);
            failing.path.exit = Exit::Raised { error_type: "KeyError".into(), line: 47 };
            failing
        };
        let mut samples: Vec<_> = (0..500).map(|i| sample(Stream::Stratified, 1, i)).collect();
        samples.extend((0..5).map(failing));
        for outcome in 0..10 {
            for i in 0..5 {
                let mut first = sample(Stream::Exemplar, 1, i);
                first.path.outcomes = OutcomeSet::from_iter([outcome]);
                samples.push(first);
            }
        }
        let kept = thinned(samples, Level::Minute, 1);
        let count =
            |wanted: &dyn Fn(&CallSample) -> bool| kept.iter().filter(|s| wanted(s)).count();
        assert_eq!(count(&|s| s.stream == Stream::Stratified && !s.path.exit.is_error()), 16);
        assert_eq!(count(&|s| s.path.exit.is_error()), 5, "rare failures are all kept");
        assert_eq!(count(&|s| s.stream == Stream::Exemplar), 10 * EXEMPLARS);
    }

    #[test]
    fn entry_samples_are_thinned_by_entry() {
        let entry = |name: &str, i: u64| EntrySample {
            entry: Entry { name: name.into(), ..Entry::default() },
            stream: Stream::Uniform,
            weight: 10,
            exit: EntryExit::default(),
            duration_ns: i,
            paths: Vec::new(),
            cut: false,
            trace_id: 0,
        };
        let mut aggregate = Aggregate::default();
        aggregate.entry_samples.extend((0..200).map(|i| entry("POST /checkout", i)));
        aggregate.entry_samples.extend((0..3).map(|i| entry("GET /rare", i)));
        thin(&mut aggregate, Level::Minute, 1);
        let kept = |name: &str| -> (usize, u32) {
            let of = aggregate.entry_samples.iter().filter(|s| &*s.entry.name == name);
            of.fold((0, 0), |(n, w), s| (n + 1, w + s.weight))
        };
        assert_eq!(kept("POST /checkout"), (64, 2000));
        assert_eq!(kept("GET /rare"), (3, 30));
    }
}
