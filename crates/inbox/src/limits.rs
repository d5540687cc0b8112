//! How often one address, and one telephone number, may try.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use seoham_vault::sha256;

type Keyed<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// Keys kept before those that are at rest are forgotten.
const KEYS_MAX: usize = 50_000;

/// Bounds of this process; in memory, since they only have to slow somebody down.
pub(crate) struct Limits {
    by_address: Keyed<IpAddr>,
    by_number: Keyed<[u8; 32]>,
}

impl Default for Limits {
    fn default() -> Self {
        let a_minute = |times: u32| Quota::per_minute(NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN));
        Self {
            // Many people can share an address.
            by_address: RateLimiter::hashmap(a_minute(60)),
            by_number: RateLimiter::hashmap(a_minute(3)),
        }
    }
}

impl Limits {
    /// Whether an address may try to sign in once more.
    pub(crate) fn address_may(&self, address: IpAddr) -> bool {
        if self.by_address.len() > KEYS_MAX {
            self.by_address.retain_recent();
        }
        self.by_address.check_key(&address).is_ok()
    }

    /// Whether one more link may go to a telephone number, known or not.
    pub(crate) fn number_may(&self, phone_number: &str) -> bool {
        if self.by_number.len() > KEYS_MAX {
            self.by_number.retain_recent();
        }
        self.by_number.check_key(&sha256(phone_number.as_bytes())).is_ok()
    }
}
