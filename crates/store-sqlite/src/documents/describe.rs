//! A document's decrypted text, and everything known about a document.

use rusqlite::{Connection, OptionalExtension, Row};
use seoham_model::{BinderId, ContractUuid, InstitutionId, PersonId, UnixSeconds};
use seoham_store::documents::{DocumentRecord, DocumentStatus, Notification};
use seoham_store::people::PersonView;
use seoham_store::sealing::{OpenedText, SealedContent, StoredText, open_with_recipient};
use seoham_vault::{Vault, WrappedKey};

use crate::columns::{Id, TIMES, moment, number, times};
use crate::readers::ReadError;

/// The columns that [`text`] reads, in order; `d` is the document, `p` its person, `c` its content.
const TEXT: &str = "d.document_id, d.person_id, p.wrapped_key, d.sealed, c.content_id, c.sealed, p.sealed";
const TEXT_FROM: &str =
    "documents d JOIN people p USING (person_id) LEFT JOIN contents c ON c.content_id = d.content_id";

/// The decrypted text of document `document_no`.
pub(crate) fn text(
    connection: &Connection,
    vault: &Vault,
    document_no: i64,
) -> Result<OpenedText, ReadError> {
    static SQL: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| format!("SELECT {TEXT} FROM {TEXT_FROM} WHERE d.document_no = ?1"));
    let (stored, person) = connection.prepare_cached(&SQL)?.query_row([document_no], |row| stored(row, 0))?;
    Ok(open_with_recipient(vault, &stored, &person)?)
}

fn stored(row: &Row<'_>, first: usize) -> rusqlite::Result<(StoredText, Vec<u8>)> {
    let content = match row.get::<_, Option<Id<BinderId>>>(first + 4)? {
        Some(id) => Some(SealedContent { id: id.0, sealed: row.get(first + 5)? }),
        None => None,
    };
    let stored = StoredText {
        id: row.get::<_, Id<BinderId>>(first)?.0,
        person: row.get::<_, Id<PersonId>>(first + 1)?.0,
        key: WrappedKey(row.get(first + 2)?),
        sealed: row.get(first + 3)?,
        content,
    };
    Ok((stored, row.get(first + 6)?))
}

/// Everything known about a document.
pub(super) fn describe(
    connection: &Connection,
    vault: &Vault,
    id: BinderId,
) -> Result<Option<DocumentRecord>, ReadError> {
    let sql = format!(
        "SELECT d.institution_id, d.contract_id, d.hash, d.deadline_at, d.notification, p.member_since,
           coalesce((SELECT q.last_no >= d.document_no FROM delivery_ranges q
                     WHERE q.institution_id = d.institution_id AND q.first_no <= d.document_no
                     ORDER BY q.first_no DESC LIMIT 1), 0)
           OR EXISTS (SELECT 1 FROM delivery_retries r WHERE r.document_no = d.document_no),
           {TIMES}, {TEXT} FROM {TEXT_FROM} WHERE d.document_id = ?1"
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([Id(id)], |row| {
            let record = (
                row.get::<_, Id<InstitutionId>>(0)?.0,
                row.get::<_, Id<ContractUuid>>(1)?.0,
                row.get::<_, Option<String>>(2)?,
                UnixSeconds(row.get(3)?),
                number::<Notification>(row, 4)?,
                moment(row, 5)?,
                row.get::<_, bool>(6)?,
            );
            Ok((record, times(row, 7)?, stored(row, 13)?))
        })
        .optional()?;
    let Some((record, times, (stored, person))) = found else { return Ok(None) };
    let (institution, contract, hash, deadline_at, notification, member_since, waiting) = record;
    let OpenedText { content, own, mut recipient } = open_with_recipient(vault, &stored, &person)?;
    let notification = notification.as_shown(times.notified_at, waiting);
    Ok(Some(DocumentRecord {
        institution,
        contract,
        status: DocumentStatus {
            times,
            deadline_at,
            payload: own.payload.clone(),
            external_document_uuid: own.external_document_uuid.clone(),
        },
        content,
        own,
        hash,
        notification,
        recipient: PersonView {
            phone_number: std::mem::take(&mut recipient.phone_number).into(),
            name: std::mem::take(&mut recipient.name).into(),
            member_since,
        },
    }))
}
