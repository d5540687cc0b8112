//! A bounded cache of people, so that a person with several documents is read once. It is never stale: a change
//! removes the person before its caller gets a reply.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::matching::{Candidate, LookUp};
use seoham_vault::{BlindIndex, WrappedKey};

/// The capacity, in people: about 30 MB.
const CAPACITY: usize = 100_000;

/// What sending needs to know about a person.
pub(crate) struct CachedPerson {
    pub(super) person: PersonId,
    pub(super) phone_index: Option<BlindIndex>,
    pub(super) ci_index: Option<BlindIndex>,
    pub(super) key: WrappedKey,
    pub(super) birthday_tag: BlindIndex,
    pub(super) name_tag: BlindIndex,
    pub(super) behaviour: Behaviour,
    pub(super) member: bool,
    /// Their choices about institutions.
    pub(super) refusals: Vec<(InstitutionId, bool)>,
}

impl CachedPerson {
    fn is_under(&self, look_up: LookUp) -> bool {
        match look_up {
            LookUp::Phone(index) => self.phone_index == Some(index),
            LookUp::Ci(index) => self.ci_index == Some(index),
        }
    }

    pub(super) fn candidate(&self, institution: InstitutionId) -> Candidate {
        let said = self.refusals.iter().find(|(about, _)| *about == institution);
        Candidate {
            person: self.person,
            key: self.key.clone(),
            birthday_tag: self.birthday_tag,
            name_tag: self.name_tag,
            behaviour: self.behaviour,
            member: self.member,
            refused: said.map(|(_, refused)| *refused),
        }
    }
}

pub(crate) struct PersonCache {
    state: Mutex<State>,
    /// People changed in the current transaction.
    changed: Mutex<Vec<PersonId>>,
}

struct State {
    /// Counts changes: a value read before a change must not be cached after it.
    version: u64,
    // Both kinds of index are keyed hashes, so they do not collide in practice.
    people: Cache<BlindIndex, PersonId>,
    known: Cache<PersonId, Arc<CachedPerson>>,
}

impl Default for PersonCache {
    fn default() -> Self {
        let state = State { version: 0, people: Cache::new(CAPACITY), known: Cache::new(CAPACITY) };
        Self { state: Mutex::new(state), changed: Mutex::default() }
    }
}

impl PersonCache {
    /// The people under `look_ups`, in order, and the version of this result.
    pub(super) fn find(&self, look_ups: &[LookUp]) -> (Vec<Option<Arc<CachedPerson>>>, u64) {
        let state = self.lock();
        let find = |look_up: &LookUp| {
            let known = state.known.get(state.people.get(&look_up.index())?)?;
            known.is_under(*look_up).then(|| Arc::clone(known))
        };
        (look_ups.iter().map(find).collect(), state.version)
    }

    /// The data keys of those of `people` who are cached, in order.
    pub(crate) fn keys_of(&self, people: impl Iterator<Item = PersonId>) -> Vec<Option<WrappedKey>> {
        let state = self.lock();
        people.map(|person| state.known.get(&person).map(|known| known.key.clone())).collect()
    }

    /// Caches people read at `version` under their indexes, unless anyone has changed since.
    pub(super) fn insert(&self, version: u64, read: &HashMap<BlindIndex, Arc<CachedPerson>>) {
        let mut state = self.lock();
        if state.version == version {
            for (index, known) in read {
                state.people.insert(*index, known.person);
                state.known.insert(known.person, Arc::clone(known));
            }
        }
    }

    /// Removes `person` from the cache when the current transaction ends, committed or not.
    pub(crate) fn invalidate_after(&self, person: PersonId) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).push(person);
    }

    /// Runs after the transaction ended, before any reply: removes the people it changed.
    pub(crate) fn after_commit(&self) {
        let changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        if changed.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.version += 1;
        for person in changed {
            state.known.remove(&person);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    fn person(phone_index: BlindIndex) -> Arc<CachedPerson> {
        Arc::new(CachedPerson {
            person: PersonId::generate(&Clock::default()),
            phone_index: Some(phone_index),
            ci_index: None,
            key: WrappedKey(Vec::new()),
            birthday_tag: [0; 16],
            name_tag: [0; 16],
            behaviour: Behaviour::Ordinary,
            member: true,
            refusals: Vec::new(),
        })
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let cache = PersonCache::default();
        let asked = [LookUp::Phone([1; 16])];
        let (found, version) = cache.find(&asked);
        assert!(found[0].is_none());
        let read = person([1; 16]);
        cache.invalidate_after(read.person);
        cache.after_commit();
        cache.insert(version, &HashMap::from([([1; 16], Arc::clone(&read))]));
        assert!(cache.find(&asked).0[0].is_none(), "it may be from before");

        let (_, version) = cache.find(&asked);
        cache.insert(version, &HashMap::from([([1; 16], Arc::clone(&read))]));
        assert!(cache.find(&asked).0[0].is_some());
        cache.invalidate_after(read.person);
        assert!(cache.find(&asked).0[0].is_some(), "not committed yet");
        cache.after_commit();
        assert!(cache.find(&asked).0[0].is_none());
    }

    #[test]
    fn a_number_that_passed_on_finds_nobody() {
        let cache = PersonCache::default();
        let (old, new) = (LookUp::Phone([1; 16]), LookUp::Phone([2; 16]));
        let before = person([1; 16]);
        let after = Arc::new(CachedPerson {
            person: before.person,
            ..Arc::into_inner(person([2; 16])).expect("one")
        });
        cache.insert(0, &HashMap::from([([1; 16], before)]));
        cache.insert(0, &HashMap::from([([2; 16], after)]));
        assert!(cache.find(&[old]).0[0].is_none());
        assert!(cache.find(&[new]).0[0].is_some());
    }
}
