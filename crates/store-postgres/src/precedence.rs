//! Priority of people over bulk work on one node. A database has no lanes: all statements share its processors
//! equally. So this node delays work on many documents or people for a short time while a person's request is
//! running. Work on a single one does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Maximum delay of bulk work each time, since people's requests may never pause.
const WAIT_MAX: Duration = Duration::from_millis(5);

/// The people's requests running on this node.
#[derive(Default)]
pub(crate) struct Precedence {
    people: AtomicUsize,
    none_left: Notify,
}

/// Held while a person's session is running.
pub(crate) struct PriorityGuard {
    precedence: Arc<Precedence>,
}

impl Precedence {
    /// Starts a person's request.
    pub(crate) fn begin(self: &Arc<Self>) -> PriorityGuard {
        self.people.fetch_add(1, Ordering::AcqRel);
        PriorityGuard { precedence: Arc::clone(self) }
    }

    /// Waits until no person's request is running, up to a limit.
    pub(crate) async fn after_people(&self) {
        if self.people.load(Ordering::Acquire) == 0 {
            return;
        }
        let until_none = async {
            loop {
                let none_left = self.none_left.notified();
                if self.people.load(Ordering::Acquire) == 0 {
                    return;
                }
                none_left.await;
            }
        };
        let since = Instant::now();
        // On a timeout there are many people; bulk work continues, so that it gets its share.
        let _ = tokio::time::timeout(WAIT_MAX, until_none).await;
        metrics::histogram!("seoham_people_first_seconds").record(since.elapsed().as_secs_f64());
    }
}

impl Drop for PriorityGuard {
    fn drop(&mut self) {
        if self.precedence.people.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.precedence.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn bulk_work_begins_when_the_last_person_is_done_or_after_a_while() {
        let precedence = Arc::<Precedence>::default();
        assert!(precedence.after_people().now_or_never().is_some(), "nobody is under way");

        let (one, other) = (precedence.begin(), precedence.begin());
        let mut waiting = Box::pin(precedence.after_people());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(one);
        assert!(waiting.as_mut().now_or_never().is_none(), "one is left");
        drop(other);
        assert!(waiting.as_mut().now_or_never().is_some());

        let endless = precedence.begin();
        assert!(precedence.after_people().now_or_never().is_none());
        precedence.after_people().await;
        drop(endless);
    }
}
