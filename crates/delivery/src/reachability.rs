//! The health check of the messenger: one log line when it stops accepting messages, and one when it accepts
//! them again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing was accepted before this is reported: a single lost connection is not worth a report.
const REPORT_AFTER: Duration = Duration::from_secs(20);

/// The change to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// No message was accepted for a while.
    Unreachable,
    /// It accepts messages again.
    Reachable,
}

#[derive(Default)]
struct State {
    failing_since: Option<Instant>,
    reported: bool,
}

impl State {
    fn answered(&mut self) -> Option<Change> {
        self.failing_since = None;
        std::mem::take(&mut self.reported).then_some(Change::Reachable)
    }

    fn failed(&mut self, now: Instant) {
        self.failing_since.get_or_insert(now);
    }

    fn look(&mut self, now: Instant) -> Option<Change> {
        let failing = self.failing_since.is_some_and(|since| now.duration_since(since) >= REPORT_AFTER);
        if !failing || std::mem::replace(&mut self.reported, true) { None } else { Some(Change::Unreachable) }
    }
}

/// The current state of a provider.
pub(crate) struct Reachability {
    provider: String,
    state: Mutex<State>,
}

impl Reachability {
    /// A provider of which nothing is known yet.
    pub(crate) fn of(provider: &str) -> Self {
        metrics::gauge!("seoham_messenger_unreachable", "provider" => provider.to_owned()).set(0.0);
        Self { provider: provider.to_owned(), state: Mutex::default() }
    }

    /// Records that the messenger responded to a message, with whatever result.
    pub(crate) fn answered(&self) {
        let change = self.lock().answered();
        if let Some(change) = change {
            self.log_change(change);
        }
    }

    /// Records that it rejected a message temporarily, or was unreachable.
    pub(crate) fn failed(&self) {
        self.lock().failed(Instant::now());
    }

    /// Logs a pending change. Call it periodically.
    pub(crate) fn look(&self) {
        let change = self.lock().look(Instant::now());
        if let Some(change) = change {
            self.log_change(change);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_change(&self, change: Change) {
        let (provider, unreachable) = (&self.provider, change == Change::Unreachable);
        metrics::gauge!("seoham_messenger_unreachable", "provider" => provider.clone())
            .set(f64::from(u8::from(unreachable)));
        if unreachable {
            tracing::warn!(
                provider,
                "the messenger takes no messages: notifications wait, and are tried again for 24 hours"
            );
        } else {
            tracing::warn!(provider, "the messenger takes messages again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_its_end_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = State::default();
        assert_eq!(state.answered(), None);
        state.failed(at(0));
        assert_eq!(state.look(at(19)), None, "it may come back by itself");
        assert_eq!(state.look(at(20)), Some(Change::Unreachable));
        state.failed(at(30));
        assert_eq!(state.look(at(3_600)), None, "once");
        assert_eq!(state.answered(), Some(Change::Reachable));
        assert_eq!(state.answered(), None, "once");
        state.failed(at(4_000));
        assert_eq!(state.answered(), None, "a single failure is not told");
        assert_eq!(state.look(at(9_000)), None);
    }
}
