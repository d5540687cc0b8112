//! Concurrency limits by client: per visit and per address, so that no single client takes all slots.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seoham_model::peer::network;
use tokio::sync::OwnedSemaphorePermit;

use crate::exchange::VisitId;

/// The holder that requests are counted by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Holder {
    Visit(VisitId),
    Address(IpAddr),
}

/// Requests in progress per holder. Clones share the counts.
#[derive(Clone)]
pub(super) struct Shares {
    counts: Arc<Mutex<HashMap<Holder, usize>>>,
    of_visit: usize,
    of_address: usize,
}

/// One request's slot, released on drop.
pub(super) struct Place {
    _among_all: OwnedSemaphorePermit,
    _of_address: Share,
    of_visit: Option<Share>,
}

struct Share {
    shares: Shares,
    holder: Holder,
}

impl Shares {
    pub(super) fn new(of_visit: usize, of_address: usize) -> Self {
        Self { counts: Arc::default(), of_visit: of_visit.max(1), of_address: of_address.max(1) }
    }

    /// A slot for a request from `address`; none if that address has too many.
    pub(super) fn place(&self, among_all: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let of_address = self.take(Holder::Address(network(address)), self.of_address)?;
        Some(Place { _among_all: among_all, _of_address: of_address, of_visit: None })
    }

    fn take(&self, holder: Holder, most: usize) -> Option<Share> {
        let mut counts = self.lock();
        let count = counts.entry(holder.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Share { shares: self.clone(), holder })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Assigns the request to `visit`; returns whether the visit may have one more.
    pub(super) fn is_of(&mut self, visit: &VisitId, shares: &Shares) -> bool {
        self.of_visit = shares.take(Holder::Visit(visit.clone()), shares.of_visit);
        self.of_visit.is_some()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.shares.lock();
        if let Some(count) = counts.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    #[test]
    fn neither_a_visit_nor_an_address_takes_all() {
        let all = Arc::new(Semaphore::new(10));
        let permit = || Arc::clone(&all).try_acquire_owned().expect("room");
        let shares = Shares::new(1, 2);
        let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (one, other) = (VisitId::generate(), VisitId::generate());
        let mut first = shares.place(permit(), here).expect("room");
        let mut second = shares.place(permit(), here).expect("room");
        assert!(shares.place(permit(), here).is_none() && shares.place(permit(), there).is_some());
        assert!(first.is_of(&one, &shares) && !second.is_of(&one, &shares) && second.is_of(&other, &shares));
        drop((first, second));
        assert!(shares.lock().is_empty(), "who has gone is forgotten");
        assert_eq!(all.available_permits(), 10);
    }
}
