//! Who called of late, and under which contract: what every request asks, read once.
//!
//! One process has the file, so it is never behind: what was read before a change is not kept after it, and
//! what was kept is forgotten before whoever made the change is answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;
use seoham_model::{ContractUuid, InstitutionId, UnixSeconds};
use seoham_vault::TokenHash;

use seoham_store::accounts::{Caller, Contract};

/// Tokens and contracts that are kept: a few hundred kilobytes.
const KEPT: usize = 4_096;

/// A token that is valid until it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownToken {
    /// Whose it is.
    pub(crate) institution: InstitutionId,
    /// From when on it no longer is.
    pub(crate) expires_at: Option<UnixSeconds>,
}

/// Valid tokens and open contracts that were asked for of late.
pub(crate) struct KnownCallers {
    state: Mutex<State>,
    /// A transaction that is not committed yet revokes a token or closes a contract.
    changing: AtomicBool,
}

struct State {
    /// Counts changes.
    version: u64,
    tokens: Cache<[u8; 32], KnownToken>,
    contracts: Cache<(InstitutionId, ContractUuid), Contract>,
}

/// What is known, or else the version after which it is read.
pub(crate) enum Known<T> {
    /// It is known.
    Is(T),
    /// It is to be read, and kept with this version.
    Not(u64),
}

impl Default for KnownCallers {
    fn default() -> Self {
        let state = State { version: 0, tokens: Cache::new(KEPT), contracts: Cache::new(KEPT) };
        Self { state: Mutex::new(state), changing: AtomicBool::new(false) }
    }
}

impl KnownCallers {
    /// Whose token it is, and the contract that they name; known only if both are.
    pub(crate) fn caller(
        &self,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Known<Caller> {
        let state = self.lock();
        let known = || {
            let token =
                state.tokens.get(&hash.0).filter(|token| token.expires_at.is_none_or(|at| at > now))?;
            let institution = token.institution;
            let contract = match contract {
                Some(uuid) => Some(state.contracts.get(&(institution, uuid))?.clone()),
                None => None,
            };
            Some(Caller { institution, contract })
        };
        known().map_or(Known::Not(state.version), Known::Is)
    }

    /// Keeps a token that was read as valid after `version`, and the contract if it was read as open.
    pub(crate) fn keep(&self, version: u64, hash: TokenHash, token: KnownToken, contract: Option<&Contract>) {
        let mut state = self.lock();
        if state.version == version {
            state.tokens.insert(hash.0, token);
            if let Some(contract) = contract {
                state.contracts.insert((token.institution, contract.uuid), contract.clone());
            }
        }
    }

    /// A transaction revokes a token or closes a contract.
    pub(crate) fn changing(&self) {
        self.changing.store(true, Ordering::Relaxed);
    }

    /// The transaction has ended, and nobody is answered yet: what it may have changed is read anew.
    pub(crate) fn changed(&self) {
        if !self.changing.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut state = self.lock();
        state.version += 1;
        state.tokens.clear();
        state.contracts.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let known = KnownCallers::default();
        let (hash, now) = (TokenHash([1; 32]), UnixSeconds(100));
        let institution = InstitutionId::generate(&Clock::default());
        let token = KnownToken { institution, expires_at: Some(UnixSeconds(110)) };
        let Known::Not(version) = known.caller(hash, None, now) else { panic!("nobody is known") };
        known.changing();
        known.changed();
        known.keep(version, hash, token, None);
        let Known::Not(version) = known.caller(hash, None, now) else { panic!("it may be revoked by now") };
        known.keep(version, hash, token, None);
        assert!(
            matches!(known.caller(hash, None, now), Known::Is(caller) if caller.institution == institution)
        );
        assert!(matches!(known.caller(hash, None, UnixSeconds(110)), Known::Not(_)), "it has expired");
        let uuid = ContractUuid::generate(&Clock::default());
        assert!(
            matches!(known.caller(hash, Some(uuid), now), Known::Not(_)),
            "of the contract nothing is known"
        );
        known.changing();
        known.changed();
        assert!(matches!(known.caller(hash, None, now), Known::Not(_)));
    }
}
