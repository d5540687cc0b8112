//! Whose turn it is: of the requests under way few are worked on at once, and institutions take turns, so
//! that who sends much stands in nobody's way, and what is refused is refused at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seoham_model::InstitutionId;
use tokio::sync::oneshot;

pub(crate) struct Turns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Institutions that wait, in the order of their turns.
    order: VecDeque<InstitutionId>,
    /// Who waits of each. Admission bounds how many.
    waiting: HashMap<InstitutionId, VecDeque<oneshot::Sender<Turn>>>,
}

/// Leave to work on a request; the next has it when this is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
}

impl Turns {
    /// `at_once` may be worked on at once.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { state: Mutex::new(State { free: at_once, order: VecDeque::new(), waiting: HashMap::new() }) }
    }

    /// Waits for a turn of `institution`.
    pub(crate) async fn of(self: &Arc<Self>, institution: InstitutionId) -> Turn {
        let waiting = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Turn { turns: Arc::clone(self) };
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
            Ok(turn) => turn,
            // Nobody drops the other end but with all of this.
            Err(_) => Turn { turns: Arc::clone(self) },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next that waits, an institution after the other.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
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

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.turns.lock();
            let next = state.next();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // Whoever has gone away meanwhile drops it, and so it comes to the one after them.
            let _ = next.send(Self { turns: Arc::clone(&self.turns) });
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
        let turns = Arc::new(Turns::new(1));
        let (flood, small) =
            (InstitutionId::generate(&Clock::default()), InstitutionId::generate(&Clock::default()));
        let held = turns.of(flood).await;
        let mut waiting: Vec<_> = [flood, flood, flood, small]
            .into_iter()
            .map(|institution| {
                let turns = Arc::clone(&turns);
                let mut wait = Box::pin(async move { turns.of(institution).await });
                assert!(wait.as_mut().now_or_never().is_none());
                Some(wait)
            })
            .collect();
        // One that has gone away takes no turn.
        waiting[1] = None;
        drop(held);
        let mut order = Vec::new();
        for _ in 0..3 {
            for (n, wait) in waiting.iter_mut().enumerate() {
                if let Some(turn) = wait.as_mut().and_then(|wait| wait.as_mut().now_or_never()) {
                    order.push(n);
                    *wait = None;
                    drop(turn);
                    break;
                }
            }
        }
        assert_eq!(order, [0, 3, 2], "the small one comes second, however many of the other wait");
        assert_eq!(turns.lock().free, 1, "given back");
        assert!(turns.lock().waiting.is_empty() && turns.lock().order.is_empty());
    }
}
