//! Fairness between institutions: a fair queue (round robin) of the requests that wait for processing. Few
//! requests are processed concurrently, and a busy institution does not delay the others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seoham_model::InstitutionId;
use tokio::sync::oneshot;

/// A bounded number of permits, given to institutions in round robin.
pub(crate) struct FairQueue {
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// The waiting institutions, in round-robin order.
    order: VecDeque<InstitutionId>,
    /// The waiting requests of each. Admission limits their number.
    waiting: HashMap<InstitutionId, VecDeque<oneshot::Sender<FairPermit>>>,
}

/// Permission to process a request. Dropping it passes it to the next request in the queue.
pub(crate) struct FairPermit {
    queue: Arc<FairQueue>,
}

impl FairQueue {
    /// Creates a queue with `at_once` permits.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { state: Mutex::new(State { free: at_once, order: VecDeque::new(), waiting: HashMap::new() }) }
    }

    /// Waits for the turn of `institution`.
    pub(crate) async fn acquire(self: &Arc<Self>, institution: InstitutionId) -> FairPermit {
        let waiting = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return FairPermit { queue: Arc::clone(self) };
            }
            let (sender, receiver) = oneshot::channel();
            let queue = state.waiting.entry(institution).or_default();
            queue.push_back(sender);
            if queue.len() == 1 {
                state.order.push_back(institution);
            }
            receiver
        };
        match waiting.await {
            Ok(permit) => permit,
            // The sender is only dropped together with the queue.
            Err(_) => FairPermit { queue: Arc::clone(self) },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next waiting request, in round-robin order.
    fn next(&mut self) -> Option<oneshot::Sender<FairPermit>> {
        let institution = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&institution)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&institution);
        } else {
            self.order.push_back(institution);
        }
        next
    }
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        let next = {
            let mut state = self.queue.lock();
            let next = state.next();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // If the receiver is gone, the permit is dropped and passes to the next one.
            let _ = next.send(Self { queue: Arc::clone(&self.queue) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use seoham_model::Clock;

    #[tokio::test]
    async fn institutions_take_turns() {
        let queue = Arc::new(FairQueue::new(1));
        let (flood, small) =
            (InstitutionId::generate(&Clock::default()), InstitutionId::generate(&Clock::default()));
        let held = queue.acquire(flood).await;
        let mut waiting: Vec<_> = [flood, flood, flood, small]
            .into_iter()
            .map(|institution| {
                let queue = Arc::clone(&queue);
                let mut wait = Box::pin(async move { queue.acquire(institution).await });
                assert!(wait.as_mut().now_or_never().is_none());
                Some(wait)
            })
            .collect();
        // A cancelled request takes no permit.
        waiting[1] = None;
        drop(held);
        let mut order = Vec::new();
        for _ in 0..3 {
            for (n, wait) in waiting.iter_mut().enumerate() {
                if let Some(permit) = wait.as_mut().and_then(|wait| wait.as_mut().now_or_never()) {
                    order.push(n);
                    *wait = None;
                    drop(permit);
                    break;
                }
            }
        }
        assert_eq!(order, [0, 3, 2], "the small one comes second, however many of the other wait");
        assert_eq!(queue.lock().free, 1, "given back");
        assert!(queue.lock().waiting.is_empty() && queue.lock().order.is_empty());
    }
}
