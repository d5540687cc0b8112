//! Whose access tokens they are that were presented lately, so that a flood of bulk requests is refused
//! without asking the store about each of them. Nothing is ever granted by it.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use seoham_model::InstitutionId;
use seoham_vault::TokenHash;

/// Tokens that are known at most.
const TOKENS_MAX: usize = 1_000;
/// How long what the store said counts: a token that is revoked meanwhile is told so after it (SPEC 11).
const KNOWN_FOR: Duration = Duration::from_secs(2);

pub(super) struct KnownTokens(Cache<TokenHash, Known>);

#[derive(Clone, Copy)]
struct Known {
    institution: InstitutionId,
    since: Instant,
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self(Cache::new(TOKENS_MAX))
    }
}

impl KnownTokens {
    /// Whose it was when the store was asked, if that was lately.
    pub(super) fn institution_of(&self, token: &TokenHash, now: Instant) -> Option<InstitutionId> {
        let known = self.0.get(token)?;
        (now.saturating_duration_since(known.since) < KNOWN_FOR).then_some(known.institution)
    }

    /// What the store said of it at `now`.
    pub(super) fn learn(&self, token: TokenHash, institution: Option<InstitutionId>, now: Instant) {
        match institution {
            Some(institution) => self.0.insert(token, Known { institution, since: now }),
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
    fn what_the_store_said_counts_for_a_while() {
        let (known, token, now) = (KnownTokens::default(), TokenHash([1; 32]), Instant::now());
        let institution = InstitutionId::generate(&Clock::default());
        assert_eq!(known.institution_of(&token, now), None);
        known.learn(token, Some(institution), now);
        let before_its_end = now + KNOWN_FOR / 2;
        assert_eq!(known.institution_of(&token, before_its_end), Some(institution));
        assert_eq!(known.institution_of(&token, now + KNOWN_FOR), None);
        known.learn(token, None, now);
        assert_eq!(known.institution_of(&token, now), None, "it is no longer valid");
    }
}
