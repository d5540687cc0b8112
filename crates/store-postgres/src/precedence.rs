//! Priority of people over bulk work on one node. A database knows no lanes: its processors are shared by all
//! statements alike. Work about many documents or people is therefore not begun on this node while something of a
//! person's is under way, for a while. Work about one does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long bulk work lets people go first at most, each time: they may be many.
const WAIT_MAX: Duration = Duration::from_millis(5);

/// Who is under way on this node.
#[derive(Default)]
pub(crate) struct Precedence {
    people: AtomicUsize,
    none_left: Notify,
}

/// A person's session is under way.
pub(crate) struct PriorityGuard {
    precedence: Arc<Precedence>,
}

impl Precedence {
    /// Something of a person's is begun.
    pub(crate) fn begin(self: &Arc<Self>) -> PriorityGuard {
        self.people.fetch_add(1, Ordering::AcqRel);
        PriorityGuard { precedence: Arc::clone(self) }
    }

    /// Waits until nothing of people's is under way, but not for long.
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
        // In vain, they are many, and bulk work has its share.
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
