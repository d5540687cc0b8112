//! Exponential backoff with jitter: how long to wait before trying again.

use std::time::Duration;

use backon::ExponentialBuilder;

/// Pauses that double from `first` up to `longest`; the upper half of each is left to chance, so that what failed
/// together does not come back together. Whoever asks decides how often.
pub(crate) fn backoff(first: Duration, longest: Duration) -> ExponentialBuilder {
    // The jitter of the crate adds up to once more of what it is given.
    ExponentialBuilder::new()
        .with_min_delay(first / 2)
        .with_max_delay(longest / 2)
        .with_jitter()
        .without_max_times()
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder;

    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let pauses = backoff(Duration::from_secs(1), Duration::from_secs(900)).build();
        let most = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];
        for (pause, most) in pauses.zip(most) {
            let most = Duration::from_secs(most);
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
        }
    }
}
