//! A cache from access token to institution, so that a flood of bulk requests is rejected without a store
//! lookup for each. It never grants access.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use seoham_model::InstitutionId;
use seoham_vault::TokenHash;

/// The capacity, in tokens.
const TOKENS_MAX: usize = 1_000;
/// The time to live of an entry. A token that is revoked meanwhile is refused after it (SPEC 11).
const TIME_TO_LIVE: Duration = Duration::from_secs(2);

pub(super) struct TokenCache(Cache<TokenHash, Entry>);

#[derive(Clone, Copy)]
struct Entry {
    institution: InstitutionId,
    since: Instant,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self(Cache::new(TOKENS_MAX))
    }
}

impl TokenCache {
    /// The token's institution, if the cache entry has not expired.
    pub(super) fn institution_of(&self, token: &TokenHash, now: Instant) -> Option<InstitutionId> {
        let entry = self.0.get(token)?;
        (now.saturating_duration_since(entry.since) < TIME_TO_LIVE).then_some(entry.institution)
    }

    /// Caches the store's result as of `now`.
    pub(super) fn insert(&self, token: TokenHash, institution: Option<InstitutionId>, now: Instant) {
        match institution {
            Some(institution) => self.0.insert(token, Entry { institution, since: now }),
            None => {
                self.0.remove(&token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    #[test]
    fn an_entry_counts_until_its_time_to_live() {
        let (cache, token, now) = (TokenCache::default(), TokenHash([1; 32]), Instant::now());
        let institution = InstitutionId::generate(&Clock::default());
        assert_eq!(cache.institution_of(&token, now), None);
        cache.insert(token, Some(institution), now);
        let before_its_end = now + TIME_TO_LIVE / 2;
        assert_eq!(cache.institution_of(&token, before_its_end), Some(institution));
        assert_eq!(cache.institution_of(&token, now + TIME_TO_LIVE), None);
        cache.insert(token, None, now);
        assert_eq!(cache.institution_of(&token, now), None, "it is no longer valid");
    }
}
