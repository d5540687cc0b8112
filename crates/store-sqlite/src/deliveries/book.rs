//! Which deliveries a worker holds, and until when. Kept in memory only: after a restart the rows are still there and
//! are claimed again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::{BinderId, InstitutionId};
use seoham_store::deliveries::{Finished, Outcome};
use seoham_store::undelivered::Failure;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct ClaimBook {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
pub(super) struct State {
    last_ticket: u64,
    held: HashMap<u64, Entry>,
    held_documents: HashSet<BinderId>,
    /// The institution that had the last turn.
    pub(super) last_served: Option<InstitutionId>,
}

struct Entry {
    held: Held,
    until: Instant,
    /// Its outcome is being written: nobody else may claim it meanwhile, even if the lease expires.
    finishing: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) document: BinderId,
    pub(crate) institution: InstitutionId,
    pub(crate) is_retry: bool,
    /// A retry that was claimed as our own fallback.
    pub(crate) as_fallback: bool,
}

impl ClaimBook {
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }

    pub(super) async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.arrived.notified()).await;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts finishing what is still held under its ticket, and skips the rest.
    pub(crate) fn begin_to_finish(self: &Arc<Self>, finished: &[Finished]) -> FinishGuard {
        let now = Instant::now();
        let mut state = self.lock();
        let mut guard = FinishGuard { book: Arc::clone(self), tickets: Vec::new(), held: Vec::new() };
        for done in finished {
            let Some(entry) = state.held.get_mut(&done.ticket) else { continue };
            if entry.until > now && !entry.finishing {
                entry.finishing = true;
                guard.tickets.push(done.ticket);
                guard.held.push((entry.held, done.outcome, done.failure));
            }
        }
        guard
    }
}

impl State {
    /// Releases claims whose lease has expired.
    pub(super) fn expire_leases(&mut self, now: Instant) {
        let over =
            |(ticket, entry): (&u64, &Entry)| (entry.until <= now && !entry.finishing).then_some(*ticket);
        let over: Vec<u64> = self.held.iter().filter_map(over).collect();
        self.let_go(&over);
    }

    pub(super) fn is_held(&self, document: BinderId) -> bool {
        self.held_documents.contains(&document)
    }

    pub(super) fn hold(&mut self, held: Held, until: Instant) -> u64 {
        self.last_ticket += 1;
        self.held.insert(self.last_ticket, Entry { held, until, finishing: false });
        self.held_documents.insert(held.document);
        self.last_ticket
    }

    fn let_go(&mut self, tickets: &[u64]) {
        for ticket in tickets {
            if let Some(entry) = self.held.remove(ticket) {
                self.held_documents.remove(&entry.held.document);
            }
        }
    }
}

/// New claims. Dropping this releases them, so that their rows can be claimed again, unless [`Claims::keep`] was
/// called.
pub(super) struct Claims {
    book: Arc<ClaimBook>,
    tickets: Vec<u64>,
}

impl Claims {
    pub(super) fn of(book: &Arc<ClaimBook>) -> Self {
        Self { book: Arc::clone(book), tickets: Vec::new() }
    }

    pub(super) fn add(&mut self, ticket: u64) {
        self.tickets.push(ticket);
    }

    /// Keeps the claims until their leases expire, except those in `done_with`.
    pub(super) fn keep(mut self, done_with: Vec<u64>) {
        self.tickets = done_with;
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        if !self.tickets.is_empty() {
            self.book.lock().let_go(&self.tickets);
        }
    }
}

/// Claims whose outcome is being written. If this is dropped before [`FinishGuard::finished`], they stay held.
pub(crate) struct FinishGuard {
    book: Arc<ClaimBook>,
    tickets: Vec<u64>,
    pub(crate) held: Vec<(Held, Outcome, Option<Failure>)>,
}

impl FinishGuard {
    /// Releases the claims after their outcome is written.
    pub(crate) fn finished(mut self) {
        self.book.lock().let_go(&std::mem::take(&mut self.tickets));
    }
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        let mut state = self.book.lock();
        for ticket in &self.tickets {
            if let Some(entry) = state.held.get_mut(ticket) {
                entry.finishing = false;
            }
        }
    }
}
