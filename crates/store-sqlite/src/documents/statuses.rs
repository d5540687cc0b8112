//! What a status query reads.

use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::status::Times;
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::documents::DocumentStatus;
use seoham_store::{Result, sealing};
use seoham_vault::{Vault, WrappedKey};

use crate::columns::{Id, TIMES, times};
use crate::people::KnownPeople;
use crate::readers::ReadError;

/// A status as it is stored, with the payload still sealed.
pub(crate) struct StoredStatus {
    pub(crate) document_no: i64,
    pub(crate) times: Times,
    pub(crate) deadline_at: UnixSeconds,
    person: PersonId,
    key: WrappedKey,
    sealed: Vec<u8>,
}

impl StoredStatus {
    pub(crate) fn open(self, vault: &Vault, id: BinderId) -> Result<DocumentStatus> {
        let own = sealing::open_own(vault, self.person, &self.key, id, &self.sealed)?;
        Ok(DocumentStatus {
            times: self.times,
            deadline_at: self.deadline_at,
            payload: own.payload,
            external_document_uuid: own.external_document_uuid,
        })
    }
}

/// The status of a document of `institution`.
pub(crate) fn stored_status(
    connection: &Connection,
    institution: InstitutionId,
    id: BinderId,
) -> rusqlite::Result<Option<StoredStatus>> {
    find(connection, institution, id, |_| None)
}

/// The status of a document of `institution`, opened. The key of a person who is `known` is not read: half of
/// what many statuses cost.
pub(super) fn status(
    connection: &Connection,
    vault: &Vault,
    known: &KnownPeople,
    institution: InstitutionId,
    id: BinderId,
) -> std::result::Result<Option<DocumentStatus>, ReadError> {
    let stored = find(connection, institution, id, |person| known.key_of(person))?;
    Ok(stored.map(|stored| stored.open(vault, id)).transpose()?)
}

/// The status of a document of `institution`, with its person's key as `known_key` has it, or read.
fn find(
    connection: &Connection,
    institution: InstitutionId,
    id: BinderId,
    known_key: impl FnOnce(PersonId) -> Option<WrappedKey>,
) -> rusqlite::Result<Option<StoredStatus>> {
    // One literal, made once: the statement cache goes by its text.
    static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        format!(
            "SELECT d.document_no, {TIMES}, d.deadline_at, d.person_id, d.sealed
             FROM documents d WHERE d.document_id = ?1 AND d.institution_id = ?2"
        )
    });
    let stored = |row: &Row<'_>| {
        let person = row.get::<_, Id<PersonId>>(8)?.0;
        let key = match known_key(person) {
            Some(key) => key,
            None => connection
                .prepare_cached("SELECT wrapped_key FROM people WHERE person_id = ?1")?
                .query_row([Id(person)], |row| row.get(0).map(WrappedKey))?,
        };
        Ok(StoredStatus {
            document_no: row.get(0)?,
            times: times(row, 1)?,
            deadline_at: UnixSeconds(row.get(7)?),
            person,
            key,
            sealed: row.get(9)?,
        })
    };
    connection.prepare_cached(&SQL)?.query_row(params![Id(id), Id(institution)], stored).optional()
}
