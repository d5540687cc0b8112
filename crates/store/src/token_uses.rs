//! When tokens were last used: a bounded memory of what was reported, so that the store is told once an hour for each
//! token, outside the request path.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use seoham_model::UnixSeconds;

/// The resolution of the time of last use.
const EVERY_SECONDS: i64 = 60 * 60;
/// How many tokens are remembered. When full, the map is cleared, which only causes repeated reports.
const REMEMBERED: usize = 10_000;

/// The uses that this process has reported, by what identifies a token. Clones share them.
#[derive(Debug)]
pub struct TokenUses<K>(Arc<Mutex<HashMap<K, UnixSeconds>>>);

impl<K> Default for TokenUses<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Clone for TokenUses<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash> TokenUses<K> {
    /// Whether the use of a token at `now` is to be reported.
    pub fn is_due(&self, token: K, now: UnixSeconds) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.get(&token).is_some_and(|at| (0..EVERY_SECONDS).contains(&now.seconds_since(*at))) {
            return false;
        }
        if reported.len() >= REMEMBERED {
            reported.clear();
        }
        reported.insert(token, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_told_once_an_hour() {
        let uses = TokenUses::default();
        let at = UnixSeconds;
        assert!(uses.is_due("one", at(10_000)) && uses.is_due("other", at(10_000)));
        assert!(!uses.is_due("one", at(10_000)) && !uses.is_due("one", at(13_599)));
        assert!(uses.is_due("one", at(13_600)));
        assert!(uses.is_due("one", at(900)), "the sandbox's clock was made anew");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let uses = TokenUses::default();
        for n in 0..3 * REMEMBERED {
            assert!(uses.is_due(n, UnixSeconds(1_000)));
        }
        assert!(uses.0.lock().unwrap().len() <= REMEMBERED);
    }
}
