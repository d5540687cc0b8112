//! Retries, limited to calls that cannot take effect twice.

use std::time::Duration;

use backon::BackoffBuilder;

use super::CallError;
use crate::backoff::backoff;

/// The retry policy.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts in total; 1 disables retries.
    pub attempts: u32,
    /// The delay after the first attempt; it doubles with each attempt.
    pub first_pause: Duration,
    /// The longest delay by the client's own backoff; a delay that the platform requests may be up to 15
    /// minutes.
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, first_pause: Duration::from_millis(500), longest_pause: Duration::from_secs(30) }
    }
}

/// The cap on a delay that the platform requests.
pub(crate) const ASKED_MAX: Duration = Duration::from_secs(15 * 60);

impl Retry {
    /// Retries until success. A call that is not `repeatable` is retried only while it certainly had no
    /// effect.
    pub(super) async fn run<T>(
        self,
        repeatable: bool,
        mut call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut attempt = 0;
        loop {
            let error = match call().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let again = error.is_passing() && (repeatable || error.certainly_not_done());
            if !again || attempt + 1 >= self.attempts {
                return Err(error);
            }
            tokio::time::sleep(self.pause(attempt, &error)).await;
            attempt += 1;
        }
    }

    /// The delay after attempt number `attempt`, counted from 0, which failed with `error`.
    pub(crate) fn pause(&self, attempt: u32, error: &CallError) -> Duration {
        let mut pauses = backoff(self.first_pause, self.longest_pause).build();
        // Later attempts do not increase it further.
        let own = pauses.nth(attempt.min(20) as usize).unwrap_or(self.longest_pause);
        own.max(error.retry_after().unwrap_or_default().min(ASKED_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Retry =
        Retry { attempts: 3, first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(2) };

    async fn attempts(repeatable: bool, error: CallError) -> u32 {
        let mut attempts = 0;
        let done: Result<(), _> = QUICK
            .run(repeatable, async || {
                attempts += 1;
                Err(error.clone())
            })
            .await;
        assert!(done.is_err());
        attempts
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_not_done_again() {
        let busy = || CallError::Busy { status: 503, retry_after: Some(Duration::from_millis(3)) };
        let unknown = || CallError::Unknown("timeout");
        let refused = CallError::Refused { status: 401, code: String::new(), message: String::new() };
        assert_eq!(attempts(false, busy()).await, 3);
        assert_eq!(attempts(false, CallError::Unreachable).await, 3);
        assert_eq!(attempts(false, unknown()).await, 1);
        assert_eq!(attempts(true, unknown()).await, 3);
        assert_eq!(attempts(true, refused).await, 1);
    }

    #[test]
    fn the_platform_is_heard_within_bounds() {
        let retry = Retry::default();
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            retry.pause(0, &CallError::Busy { status: 429, retry_after })
        };
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(120), Duration::from_secs(120));
        assert_eq!(asked(3_600), ASKED_MAX);
        assert!(retry.pause(0, &CallError::Unreachable) <= retry.first_pause);
    }
}
