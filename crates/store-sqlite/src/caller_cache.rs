//! The caller cache: a bounded, write-invalidated cache of valid access tokens and open contracts, which every
//! request looks up.
//!
//! Only one process uses the file, so the cache is never stale: a value read before a change is not inserted after
//! it, and a change clears the cache before its caller gets a reply.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;
use seoham_model::network::Networks;
use seoham_model::{ContractUuid, InstitutionId, UnixSeconds};
use seoham_vault::TokenHash;

use seoham_store::accounts::{Caller, Contract};

/// The capacity, in tokens and in contracts: a few hundred kilobytes.
const CAPACITY: usize = 4_096;

/// A token that is valid until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CachedToken {
    /// The institution it belongs to.
    pub(crate) institution: InstitutionId,
    /// When it expires.
    pub(crate) expires_at: Option<UnixSeconds>,
    /// From where it may be used.
    pub(crate) allowed_networks: Option<Arc<Networks>>,
    /// The institution's sends are refused.
    pub(crate) suspended: bool,
}

impl CachedToken {
    /// Its owner as a caller.
    pub(crate) fn caller(&self, contract: Option<Contract>) -> Caller {
        let Self { institution, allowed_networks, suspended, .. } = self.clone();
        Caller { institution, contract, suspended, allowed_networks }
    }
}

/// The cache.
pub(crate) struct CallerCache {
    state: Mutex<State>,
    /// The current transaction changes a token, a contract or an institution.
    changing: AtomicBool,
}

struct State {
    /// Counts changes.
    version: u64,
    tokens: Cache<[u8; 32], CachedToken>,
    contracts: Cache<(InstitutionId, ContractUuid), Contract>,
}

/// The result of a lookup in the cache.
pub(crate) enum Lookup<T> {
    /// The entry.
    Hit(T),
    /// No entry: read it, then insert it with this version.
    Miss(u64),
}

impl Default for CallerCache {
    fn default() -> Self {
        let state = State { version: 0, tokens: Cache::new(CAPACITY), contracts: Cache::new(CAPACITY) };
        Self { state: Mutex::new(state), changing: AtomicBool::new(false) }
    }
}

impl CallerCache {
    /// The owner of the token and the named contract. A hit only if both are cached.
    pub(crate) fn caller(
        &self,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Lookup<Caller> {
        let state = self.lock();
        let lookup = || {
            let token =
                state.tokens.get(&hash.0).filter(|token| token.expires_at.is_none_or(|at| at > now))?;
            let institution = token.institution;
            let contract = match contract {
                Some(uuid) => Some(state.contracts.get(&(institution, uuid))?.clone()),
                None => None,
            };
            Some(token.caller(contract))
        };
        lookup().map_or(Lookup::Miss(state.version), Lookup::Hit)
    }

    /// Caches a token that was read as valid at `version`, and the contract if it was read as open.
    pub(crate) fn insert(
        &self,
        version: u64,
        hash: TokenHash,
        token: CachedToken,
        contract: Option<&Contract>,
    ) {
        let mut state = self.lock();
        if state.version == version {
            let institution = token.institution;
            state.tokens.insert(hash.0, token);
            if let Some(contract) = contract {
                state.contracts.insert((institution, contract.uuid), contract.clone());
            }
        }
    }

    /// Clears the cache when the current transaction ends, committed or not: it changes a token, a contract or an institution.
    pub(crate) fn invalidate_after(&self) {
        self.changing.store(true, Ordering::Relaxed);
    }

    /// Runs after the transaction ended, before any reply: clears the cache if it may be out of date.
    pub(crate) fn after_commit(&self) {
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
        let cache = CallerCache::default();
        let (hash, now) = (TokenHash([1; 32]), UnixSeconds(100));
        let institution = InstitutionId::generate(&Clock::default());
        let token = CachedToken {
            institution,
            expires_at: Some(UnixSeconds(110)),
            allowed_networks: None,
            suspended: false,
        };
        let Lookup::Miss(version) = cache.caller(hash, None, now) else { panic!("nobody is known") };
        cache.invalidate_after();
        cache.after_commit();
        cache.insert(version, hash, token.clone(), None);
        let Lookup::Miss(version) = cache.caller(hash, None, now) else { panic!("it may be revoked by now") };
        cache.insert(version, hash, token.clone(), None);
        assert!(
            matches!(cache.caller(hash, None, now), Lookup::Hit(caller) if caller.institution == institution)
        );
        assert!(matches!(cache.caller(hash, None, UnixSeconds(110)), Lookup::Miss(_)), "it has expired");
        let uuid = ContractUuid::generate(&Clock::default());
        assert!(
            matches!(cache.caller(hash, Some(uuid), now), Lookup::Miss(_)),
            "of the contract nothing is known"
        );
        cache.invalidate_after();
        cache.after_commit();
        assert!(matches!(cache.caller(hash, None, now), Lookup::Miss(_)));
    }
}
