//! The concurrency window of a bulk send, like a congestion window: the number of concurrent requests grows
//! by additive increase, as far as the platform accepts them without slowing down.

use std::time::Duration;

/// Grows while responses stay fast, shrinks when they get slow, and halves when the platform signals
/// overload.
pub(super) struct ConcurrencyWindow {
    window: f64,
    most: f64,
    /// The recent minimum response time.
    quickest: Option<Duration>,
    /// No overload so far: the window doubles each round (slow start).
    unhindered: bool,
}

/// A response is slow if it takes more than this many times the minimum…
const SLOW_FACTOR: u32 = 3;
/// …and more than this in any case.
const SLOW_FROM: Duration = Duration::from_millis(100);

impl ConcurrencyWindow {
    pub(super) fn new(most: usize) -> Self {
        let most = f64::from(u32::try_from(most.max(1)).unwrap_or(u32::MAX));
        Self { window: most.min(2.0), most, quickest: None, unhindered: true }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and `most`")]
    pub(super) fn window(&self) -> usize {
        self.window as usize
    }

    /// Records a response that took `took`.
    pub(super) fn answered(&mut self, took: Duration) {
        // A former minimum may no longer be reachable, so it drifts upwards slowly.
        let quickest = self.quickest.map_or(took, |quickest| took.min(quickest.mul_f64(1.01)));
        self.quickest = Some(quickest);
        if took > (quickest * SLOW_FACTOR).max(SLOW_FROM) {
            self.unhindered = false;
            self.set(self.window - 0.5);
        } else if self.unhindered {
            self.set(self.window + 1.0);
        } else {
            self.set(self.window + 1.0 / self.window);
        }
    }

    /// Records a temporary rejection or a missing response.
    pub(super) fn too_much(&mut self) {
        self.unhindered = false;
        self.set(self.window / 2.0);
    }

    fn set(&mut self, window: f64) {
        self.window = window.clamp(1.0, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    #[test]
    fn it_grows_to_what_is_taken_and_gives_way() {
        let mut window = ConcurrencyWindow::new(16);
        assert_eq!(window.window(), 2);
        for _ in 0..14 {
            window.answered(QUICK);
        }
        assert_eq!(window.window(), 16, "and no further");
        window.answered(QUICK);
        assert_eq!(window.window(), 16);
        window.too_much();
        assert_eq!(window.window(), 8);
        window.answered(QUICK);
        assert_eq!(window.window(), 8, "carefully now");
        for _ in 0..20 {
            window.answered(QUICK * 10);
        }
        assert_eq!(window.window(), 1, "at least one");
        for _ in 0..10 {
            window.too_much();
        }
        assert_eq!(window.window(), 1);
    }

    #[test]
    fn a_platform_that_became_slow_for_good_is_not_starved() {
        let mut window = ConcurrencyWindow::new(8);
        window.answered(QUICK);
        for _ in 0..2_000 {
            window.answered(QUICK * 10);
        }
        assert_eq!(window.window(), 8);
    }
}
