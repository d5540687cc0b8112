//! The rate limit by address: how often one address may try. How often a telephone number may is counted in the
//! store.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use seoham_model::peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// Links that are being made at once.
const LINKS_AT_ONCE: usize = 64;
/// Keys kept before those that are at rest are forgotten.
const KEYS_MAX: usize = 50_000;

/// Bounds of this process; in memory, since they only have to slow somebody down.
pub(crate) struct Limits {
    by_address: Keyed<IpAddr>,
    links_under_way: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        let a_minute = |times: u32| Quota::per_minute(NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN));
        Self {
            // Many people can share an address.
            by_address: RateLimiter::hashmap(a_minute(60)),
            links_under_way: Arc::new(Semaphore::new(LINKS_AT_ONCE)),
        }
    }
}

impl Limits {
    /// Leave to make one more link; `None` when too many are being made.
    pub(crate) fn one_more_link(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.links_under_way).try_acquire_owned().ok()
    }

    /// Whether an address may try to sign in once more.
    pub(crate) fn address_may(&self, address: IpAddr) -> bool {
        let address = peer::network(address);
        if self.by_address.len() > KEYS_MAX {
            self.by_address.retain_recent();
        }
        self.by_address.check_key(&address).is_ok()
    }
}
