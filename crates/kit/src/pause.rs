//! How long to wait before trying again.

use std::time::Duration;

/// `first`, doubled with each attempt up to `longest`; the upper half of it is left to chance, so that
/// what failed together does not come back together.
pub(crate) fn pause(first: Duration, longest: Duration, attempts: u32, jitter: f64) -> Duration {
    let full = first.saturating_mul(1 << attempts.min(20)).min(longest);
    full / 2 + (full / 2).mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(900));
        let grown: Vec<_> = (0..12).map(|n| pause(first, longest, n, 1.0).as_secs()).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause(first, longest, u32::MAX, 0.0), longest / 2);
    }
}
