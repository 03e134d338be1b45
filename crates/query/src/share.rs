//! Shares with their uncertainty.

/// A share and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The share.
    pub share: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Share {
    /// A share that is not an estimate.
    pub fn exact(part: u64, whole: u64) -> Option<Self> {
        let share = ratio(part, whole)?;
        Some(Self { share, low: share, high: share })
    }

    /// A share estimated from weights `part` of `whole`, over `n` independent observations.
    pub fn sampled(part: u64, whole: u64, n: u64) -> Option<Self> {
        let share = ratio(part, whole)?;
        let (low, high) = wilson(share, n);
        Some(Self { share, low, high })
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", JASA 22 (1927), at 95 %, for an observed `share` of `n`.
pub fn wilson(share: f64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = n as f64;
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // Rounding must not push the share itself out of its interval.
    ((middle - half).clamp(0.0, share), (middle + half).clamp(share, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wilson_agrees_with_published_intervals() {
        // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics
        // in Medicine 17 (1998), table I, method 3.
        let check = |part: f64, n: u64, low: f64, high: f64| {
            let (l, h) = wilson(part / n as f64, n);
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{part}/{n}: {l} {h}");
        };
        check(81.0, 263, 0.2553, 0.3662);
        check(15.0, 148, 0.0624, 0.1605);
        check(0.0, 20, 0.0, 0.1611);
        check(1.0, 29, 0.0061, 0.1718);
    }

    proptest! {
        #[test]
        fn the_share_is_inside_its_interval(part in 0u64..1000, rest in 0u64..1000, n in 0u64..1000) {
            if let Some(share) = Share::sampled(part, part + rest, n) {
                prop_assert!(0.0 <= share.low && share.low <= share.share);
                prop_assert!(share.share <= share.high && share.high <= 1.0);
            }
        }
    }
}
