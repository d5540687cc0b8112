//! Exponential backoff with jitter: how long to wait before a retry.

use std::time::Duration;

use backon::ExponentialBuilder;

/// Delays that double from `first` up to `longest`. The upper half of each is random, so that clients that
/// failed together do not retry together. The caller limits the number of retries.
pub(crate) fn backoff(first: Duration, longest: Duration) -> ExponentialBuilder {
    // The crate's jitter adds up to 100 % of the delay.
    ExponentialBuilder::new()
        .with_min_delay(first.min(longest) / 2)
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

    #[test]
    fn chance_spreads_them() {
        let pause = || backoff(Duration::from_secs(900), Duration::from_secs(90)).build().next();
        let drawn: Vec<_> = (0..10).map(|_| pause().expect("without an end")).collect();
        assert!(drawn.iter().any(|pause| *pause != drawn[0]), "{drawn:?}");
        assert!(drawn.iter().all(|pause| *pause <= Duration::from_secs(90)), "the first too: {drawn:?}");
    }
}
