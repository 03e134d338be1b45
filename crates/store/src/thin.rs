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
