//! When access tokens were last used. Reported to the store once a minute per token, outside the request
//! path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use seoham_model::UnixSeconds;
use seoham_store::GatewayStore;
use seoham_vault::TokenHash;

/// The resolution of the last-use time.
const EVERY_SECONDS: i64 = 60;
/// How many tokens are remembered. When full, the map is cleared, which only causes repeated reports.
const REMEMBERED: usize = 10_000;

/// The uses that this process has reported.
#[derive(Clone, Default)]
pub(crate) struct TokenUses(Arc<Mutex<HashMap<[u8; 32], UnixSeconds>>>);

impl TokenUses {
    /// Records the use of a valid token.
    pub(crate) fn used(&self, store: &Arc<dyn GatewayStore>, hash: TokenHash, now: UnixSeconds) {
        if self.is_due(hash, now) {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                if let Err(error) = store.token_used(hash, now).await {
                    tracing::debug!(%error, "the use of an access token was not noted");
                }
            });
        }
    }

    fn is_due(&self, hash: TokenHash, now: UnixSeconds) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.get(&hash.0).is_some_and(|at| (0..EVERY_SECONDS).contains(&now.seconds_since(*at))) {
            return false;
        }
        if reported.len() >= REMEMBERED {
            reported.clear();
        }
        reported.insert(hash.0, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_told_once_a_minute() {
        let uses = TokenUses::default();
        let (one, other) = (TokenHash::of("one"), TokenHash::of("other"));
        let at = UnixSeconds;
        assert!(uses.is_due(one, at(1_000)) && uses.is_due(other, at(1_000)));
        assert!(!uses.is_due(one, at(1_000)) && !uses.is_due(one, at(1_059)));
        assert!(uses.is_due(one, at(1_060)));
        assert!(uses.is_due(one, at(900)), "the sandbox's clock was made anew");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let uses = TokenUses::default();
        for n in 0..3 * REMEMBERED {
            assert!(uses.is_due(TokenHash::of(&n.to_string()), UnixSeconds(1_000)));
        }
        assert!(uses.0.lock().unwrap().len() <= REMEMBERED);
    }
}
