//! Which deliveries are held by a worker, and until when. Lost with the process, as it should
//! be: the rows remain and are claimed anew.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::{BinderId, InstitutionId};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct ClaimBook {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
pub(super) struct State {
    last_ticket: u64,
    held: HashMap<u64, Held>,
    held_documents: HashSet<i64>,
    /// Which institution had the last turn.
    pub(super) last_served: Option<InstitutionId>,
}

#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) document: BinderId,
    pub(super) document_no: i64,
    pub(super) institution: InstitutionId,
    pub(super) is_retry: bool,
    until: Instant,
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

    /// Lets go of claims: their rows, if they are still there, can be claimed anew.
    pub(super) fn release(&self, tickets: &[u64]) {
        self.lock().let_go(tickets);
    }
}

impl State {
    /// Lets go of what was held too long.
    pub(super) fn expire_leases(&mut self, now: Instant) {
        let over: Vec<u64> = self.held.iter().filter(|(_, h)| h.until <= now).map(|(t, _)| *t).collect();
        self.let_go(&over);
    }

    pub(super) fn is_held(&self, document_no: i64) -> bool {
        self.held_documents.contains(&document_no)
    }

    pub(super) fn hold(
        &mut self,
        document: BinderId,
        document_no: i64,
        institution: InstitutionId,
        is_retry: bool,
        until: Instant,
    ) -> u64 {
        self.last_ticket += 1;
        self.held.insert(self.last_ticket, Held { document, document_no, institution, is_retry, until });
        self.held_documents.insert(document_no);
        self.last_ticket
    }

    /// What `ticket` holds, if its lease has not run out.
    pub(super) fn held(&self, ticket: u64) -> Option<Held> {
        self.held.get(&ticket).copied().filter(|held| held.until > Instant::now())
    }

    fn let_go(&mut self, tickets: &[u64]) {
        for ticket in tickets {
            if let Some(held) = self.held.remove(ticket) {
                self.held_documents.remove(&held.document_no);
            }
        }
    }
}
