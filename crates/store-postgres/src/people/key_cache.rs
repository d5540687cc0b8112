//! The cache of wrapped data keys. A key never changes, so the cache is never stale. Without it, every status query
//! reads a person's row in addition to the document's.

use std::collections::HashMap;

use quick_cache::sync::Cache;
use seoham_model::PersonId;
use seoham_store::Result;
use seoham_vault::WrappedKey;

use crate::columns::{Columns, uuids};
use crate::session::Session;

/// The capacity, in people: about 20 MB.
const KEPT: usize = 100_000;

pub(crate) struct KeyCache {
    keys: Cache<PersonId, WrappedKey>,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self { keys: Cache::new(KEPT) }
    }
}

impl KeyCache {
    /// The keys of those of `people` who exist.
    pub(crate) async fn of(
        &self,
        session: &Session,
        people: impl Iterator<Item = PersonId>,
    ) -> Result<HashMap<PersonId, WrappedKey>> {
        let mut known = HashMap::new();
        let mut missing = Vec::new();
        for person in people {
            match self.keys.get(&person) {
                Some(key) => {
                    known.insert(person, key);
                }
                None => missing.push(person),
            }
        }
        if missing.is_empty() {
            return Ok(known);
        }
        missing.sort();
        missing.dedup();
        let sql = "SELECT person_id, wrapped_key FROM people WHERE person_id = ANY($1::uuid[])";
        for row in session.query(sql, &[&uuids(&missing)]).await? {
            let (person, key) = (row.id("person_id")?, WrappedKey(row.value("wrapped_key")?));
            self.keys.insert(person, key.clone());
            known.insert(person, key);
        }
        Ok(known)
    }
}
