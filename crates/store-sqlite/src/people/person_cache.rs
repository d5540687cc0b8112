//! The cache of people. It is never stale: a change removes the person before its caller gets a reply.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use seoham_model::PersonId;
use seoham_store::person_cache;

#[derive(Default)]
pub(crate) struct PersonCache {
    cache: person_cache::PersonCache,
    /// People changed in the current transaction.
    changed: Mutex<Vec<PersonId>>,
}

impl PersonCache {
    /// Removes `person` from the cache when the current transaction ends, committed or not.
    pub(crate) fn invalidate_after(&self, person: PersonId) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).push(person);
    }

    /// Runs after the transaction ended, before any reply: removes the people it changed.
    pub(crate) fn after_commit(&self) {
        let changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        self.cache.remove(&changed);
    }
}

impl Deref for PersonCache {
    type Target = person_cache::PersonCache;

    fn deref(&self) -> &Self::Target {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use seoham_model::Clock;
    use seoham_model::person::Behaviour;
    use seoham_store::matching::LookUp;
    use seoham_store::person_cache::CachedPerson;
    use seoham_vault::WrappedKey;

    use super::*;

    #[test]
    fn a_person_leaves_the_cache_when_the_transaction_ends() {
        let cache = PersonCache::default();
        let read = Arc::new(CachedPerson {
            person: PersonId::generate(&Clock::default()),
            phone_index: Some([1; 16]),
            ci_index: None,
            key: WrappedKey(Vec::new()),
            birthday_tag: [0; 16],
            name_tag: [0; 16],
            behaviour: Behaviour::Ordinary,
            member: true,
            refusals: Vec::new(),
        });
        let is_known = || cache.find(&[LookUp::Phone([1; 16])]).0[0].is_some();
        cache.insert(0, &HashMap::from([([1; 16], Arc::clone(&read))]));
        cache.invalidate_after(read.person);
        assert!(is_known(), "not committed yet");
        cache.after_commit();
        assert!(!is_known());
    }
}
