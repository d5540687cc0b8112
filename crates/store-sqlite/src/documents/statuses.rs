//! Reading document statuses.

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::status::Times;
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::documents::DocumentStatus;
use seoham_store::{AboutEntity, Result, StoreError, sealing};
use seoham_vault::{Vault, WrappedKey};

use crate::columns::{Id, TIMES, blobs, times};
use crate::people::PersonCache;
use crate::readers::ReadError;

/// A status as it is stored, with the payload still sealed.
pub(crate) struct StoredStatus {
    pub(crate) document_no: i64,
    pub(crate) times: Times,
    pub(crate) deadline_at: UnixSeconds,
    person: PersonId,
    sealed: Vec<u8>,
}

/// The columns that [`StoredStatus::read`] reads, in order; `d` is the document.
const STATUS: &str = "d.document_no, d.deadline_at, d.person_id, d.sealed";
/// The number of columns in [`STATUS`].
const STATUS_COLUMNS: usize = 4;

impl StoredStatus {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            document_no: row.get(0)?,
            deadline_at: UnixSeconds(row.get(1)?),
            person: row.get::<_, Id<PersonId>>(2)?.0,
            sealed: row.get(3)?,
            times: times(row, STATUS_COLUMNS)?,
        })
    }

    /// Decrypts it with its person's key.
    pub(crate) fn open(self, vault: &Vault, id: BinderId, key: &WrappedKey) -> Result<DocumentStatus> {
        let own = sealing::open_own(vault, self.person, key, id, &self.sealed)?;
        Ok(DocumentStatus {
            times: self.times,
            deadline_at: self.deadline_at,
            payload: own.payload,
            external_document_uuid: own.external_document_uuid,
        })
    }
}

/// The status of a document of `institution`, and its person's key.
pub(crate) fn stored_status(
    connection: &Connection,
    institution: InstitutionId,
    id: BinderId,
) -> rusqlite::Result<Option<(StoredStatus, WrappedKey)>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {STATUS}, {TIMES}, p.wrapped_key FROM documents d JOIN people p USING (person_id)
             WHERE d.document_id = ?1 AND d.institution_id = ?2"
        )
    });
    let read = |row: &Row<'_>| Ok((StoredStatus::read(row)?, WrappedKey(row.get("wrapped_key")?)));
    connection.prepare_cached(&SQL)?.query_row(params![Id(id), Id(institution)], read).optional()
}

/// The statuses of documents of `institution`, in the order of `ids`. Uses one statement for all of them and one for
/// the keys of people who are not in `known`: a statement per document would cost a transaction and a lock each.
pub(super) fn statuses(
    connection: &Connection,
    vault: &Vault,
    known: &PersonCache,
    institution: InstitutionId,
    ids: &[BinderId],
) -> std::result::Result<Vec<Option<DocumentStatus>>, ReadError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {STATUS}, {TIMES}, asked.rowid AS place
             FROM rarray(?1) AS asked CROSS JOIN documents d ON d.document_id = asked.value
             WHERE d.institution_id = ?2"
        )
    });
    let asked = blobs(ids.iter().map(|id| id.as_bytes().as_slice()));
    let mut statement = connection.prepare_cached(&SQL)?;
    let place = statement.column_index("place")?;
    let stored: Vec<(usize, StoredStatus)> = statement
        .query_map(params![asked, Id(institution)], |row| {
            Ok((row.get::<_, usize>(place)?.saturating_sub(1), StoredStatus::read(row)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let keys = known.keys_of(stored.iter().map(|(_, status)| status.person));
    let unknown = stored.iter().zip(&keys).filter(|(_, key)| key.is_none());
    let read = read_keys(connection, unknown.map(|((_, status), _)| status.person))?;

    let mut statuses = Vec::new();
    statuses.resize_with(ids.len(), || None);
    for ((place, status), known) in stored.into_iter().zip(&keys) {
        let (Some(id), Some(answer)) = (ids.get(place), statuses.get_mut(place)) else { continue };
        let key = known.as_ref().or_else(|| read.get(&status.person));
        let key = key.ok_or_else(|| StoreError::damaged("the missing person").about(*id))?;
        *answer = Some(status.open(vault, *id, key)?);
    }
    Ok(statuses)
}

/// The keys of `people`.
fn read_keys(
    connection: &Connection,
    people: impl Iterator<Item = PersonId>,
) -> rusqlite::Result<HashMap<PersonId, WrappedKey>> {
    let people: Vec<PersonId> = people.collect();
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT p.person_id, p.wrapped_key
               FROM rarray(?1) AS asked CROSS JOIN people p ON p.person_id = asked.value";
    let read = |row: &Row<'_>| Ok((row.get::<_, Id<PersonId>>(0)?.0, WrappedKey(row.get(1)?)));
    let asked = blobs(people.iter().map(|person| person.as_bytes().as_slice()));
    connection.prepare_cached(sql)?.query_map([asked], read)?.collect()
}
