//! A bounded cache of people by blind index, for sending: a person with several documents is read once.
//!
//! A store keeps it coherent: it removes whoever has changed, before what it finds is used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_vault::{BlindIndex, WrappedKey};

use crate::matching::{Candidate, LookUp};

/// The capacity, in people: about 40 MB.
const CAPACITY: usize = 100_000;

/// What sending needs to know about a person.
pub struct CachedPerson {
    /// The person.
    pub person: PersonId,
    /// The blind index of their telephone number.
    pub phone_index: Option<BlindIndex>,
    /// The blind index of their ci.
    pub ci_index: Option<BlindIndex>,
    /// Their wrapped data key.
    pub key: WrappedKey,
    /// Tag of their birthday.
    pub birthday_tag: BlindIndex,
    /// Tag of their name.
    pub name_tag: BlindIndex,
    /// Their behaviour.
    pub behaviour: Behaviour,
    /// They have joined the box.
    pub member: bool,
    /// Their choices about institutions: whether they refuse each.
    pub refusals: Vec<(InstitutionId, bool)>,
}

impl CachedPerson {
    fn is_under(&self, look_up: LookUp) -> bool {
        match look_up {
            LookUp::Phone(index) => self.phone_index == Some(index),
            LookUp::Ci(index) => self.ci_index == Some(index),
        }
    }

    /// The person as a candidate for a document of `institution`.
    pub fn candidate(&self, institution: InstitutionId) -> Candidate {
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

/// People by blind index.
pub type FoundPeople = HashMap<BlindIndex, Arc<CachedPerson>>;

/// Those of `look_ups` under which nobody was found.
pub fn missing(found: &[Option<Arc<CachedPerson>>], look_ups: &[LookUp]) -> Vec<LookUp> {
    let missing = found.iter().zip(look_ups).filter(|(known, _)| known.is_none());
    missing.map(|(_, look_up)| *look_up).collect()
}

/// Adds people who were read to those that were found.
pub fn fill(found: &mut [Option<Arc<CachedPerson>>], look_ups: &[LookUp], read: &FoundPeople) {
    for (known, look_up) in found.iter_mut().zip(look_ups).filter(|(known, _)| known.is_none()) {
        *known = read.get(&look_up.index()).map(Arc::clone);
    }
}

/// The cache.
pub struct PersonCache {
    state: Mutex<State>,
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
        Self { state: Mutex::new(state) }
    }
}

impl PersonCache {
    /// The people under `look_ups`, in order, and the version of this result.
    pub fn find(&self, look_ups: &[LookUp]) -> (Vec<Option<Arc<CachedPerson>>>, u64) {
        let state = self.lock();
        let find = |look_up: &LookUp| {
            let known = state.known.get(state.people.get(&look_up.index())?)?;
            known.is_under(*look_up).then(|| Arc::clone(known))
        };
        (look_ups.iter().map(find).collect(), state.version)
    }

    /// The data keys of those of `people` who are cached, in order.
    pub fn keys_of(&self, people: impl Iterator<Item = PersonId>) -> Vec<Option<WrappedKey>> {
        let state = self.lock();
        people.map(|person| state.known.get(&person).map(|known| known.key.clone())).collect()
    }

    /// Caches people read at `version` under their indexes, unless anyone has changed since.
    pub fn insert(&self, version: u64, read: &FoundPeople) {
        let mut state = self.lock();
        if state.version == version {
            for (index, known) in read {
                state.people.insert(*index, known.person);
                state.known.insert(known.person, Arc::clone(known));
            }
        }
    }

    /// Removes people who have changed.
    pub fn remove(&self, changed: &[PersonId]) {
        if changed.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.version += 1;
        for person in changed {
            state.known.remove(person);
        }
    }

    /// Removes everybody.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.version += 1;
        state.people.clear();
        state.known.clear();
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
        let is_known = || cache.find(&asked).0[0].is_some();
        let (found, version) = cache.find(&asked);
        assert!(found[0].is_none());
        let read = person([1; 16]);
        let found = HashMap::from([([1; 16], Arc::clone(&read))]);
        cache.remove(&[read.person]);
        cache.insert(version, &found);
        assert!(!is_known(), "it may be from before");

        cache.insert(cache.find(&asked).1, &found);
        assert!(is_known());
        cache.remove(&[]);
        assert!(is_known());
        cache.remove(&[read.person]);
        assert!(!is_known());

        let (_, version) = cache.find(&asked);
        cache.insert(version, &found);
        cache.clear();
        assert!(!is_known());
        cache.insert(version, &found);
        assert!(!is_known(), "read before it was cleared");
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
