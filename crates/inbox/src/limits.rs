//! The rate limit by address. The store counts attempts per telephone number.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use seoham_model::peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// The maximum number of links created concurrently.
const LINKS_AT_ONCE: usize = 64;
/// Keys kept before idle ones are dropped.
const KEYS_MAX: usize = 50_000;

/// The limits of this process; in memory, because they only have to slow attackers down.
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
    /// A permit to create one more link; `None` if too many are being created.
    pub(crate) fn one_more_link(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.links_under_way).try_acquire_owned().ok()
    }

    /// Whether the rate limit allows another sign-in attempt from this address.
    pub(crate) fn address_may(&self, address: IpAddr) -> bool {
        let address = peer::network(address);
        if self.by_address.len() > KEYS_MAX {
            self.by_address.retain_recent();
        }
        self.by_address.check_key(&address).is_ok()
    }
}
