//! Documents in a box, and opening one.

use std::collections::HashMap;

use async_trait::async_trait;
use seoham_model::status::token_expires_at;
use seoham_model::{BinderId, ContractUuid, PersonId, UnixSeconds};
use seoham_store::accounts::Authentication;
use seoham_store::boxes::{
    BoxDocument, BoxQuery, BoxSender, BoxView, OpenVerdict, Opener, RefusedInstitution, Shelf, in_box, older,
    pieces,
};
use seoham_store::events::DocumentSet;
use seoham_store::parcel::document::open_text;
use seoham_store::parcel::{StoredDocument, mark};
use seoham_store::{AboutEntity, Boxes, Result, StoreError};
use seoham_vault::TokenHash;
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::accounts::card;
use crate::box_index::documents_of;
use crate::columns::{Columns, Id, Number, uuids};
use crate::documents::rows;
use crate::session::{Param, Session};

/// Stores the token, and at the first opening its time and its step: all or nothing. $4 is the time of the opening, $5
/// that of the authentication, NULL if the contract needs none. With $7 the document was opened before, and so can no
/// longer be withdrawn; without it, this waits for a withdrawal at the same time, and then issues nothing.
const OPEN: &str = "WITH opened AS (
      INSERT INTO marks AS m (document_id, person_id, opened_at, authenticated_at)
      SELECT $1, $6, $4, $5::bigint WHERE NOT $7
      ON CONFLICT (document_id) DO UPDATE SET opened_at = excluded.opened_at,
        authenticated_at = coalesce(m.authenticated_at, excluded.authenticated_at)
      WHERE m.opened_at IS NULL AND m.withdrawn_at IS NULL
      RETURNING document_id),
    told AS (
      INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
      SELECT $8, $9, 1, $4, $10, $11 FROM opened)
    INSERT INTO one_time_tokens (document_id, token_hash, expires_at)
    SELECT $1, $2, $3 WHERE $7 OR EXISTS (SELECT FROM opened)
    RETURNING 1";

const READ: &str = "SELECT document_id FROM marks
    WHERE person_id = $1 AND read_at IS NOT NULL AND ($2::uuid IS NULL OR document_id < $2)
    ORDER BY document_id DESC LIMIT $3";

impl PostgresStore {
    /// The ids of documents on a shelf of a person's box, newest first, older than `before`, at most `limit`; `ids` are all of
    /// the box.
    async fn on_shelf(
        session: &Session,
        person: PersonId,
        ids: &[BinderId],
        asked: BoxQuery,
        now: UnixSeconds,
    ) -> Result<Vec<BinderId>> {
        let BoxQuery { shelf, before, limit, .. } = asked;
        if shelf == Shelf::Read {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let before = before.map(|id| id.uuid());
            let rows = session.query(READ, &[&person.uuid(), &before, &limit]).await?;
            return rows.iter().map(|row| row.id("document_id")).collect();
        }
        let mut on_shelf = Vec::new();
        for ids in pieces(older(ids, before), limit) {
            if on_shelf.len() >= limit {
                break;
            }
            let found = rows::documents(session, None, ids).await?;
            on_shelf.extend(shelf.select(&found, ids, person, now).take(limit - on_shelf.len()));
        }
        Ok(on_shelf)
    }

    /// At most as many documents of a shelf as are asked for. Those that cannot be read are left out and logged: the others
    /// are shown, and as many as are asked for.
    async fn on_shelf_shown(
        &self,
        session: &Session,
        person: PersonId,
        ids: &[BinderId],
        mut asked: BoxQuery,
        now: UnixSeconds,
    ) -> Result<Vec<BoxDocument>> {
        let mut shown = Vec::new();
        while asked.limit > 0 {
            let found = Self::on_shelf(session, person, ids, asked, now).await?;
            let before = shown.len();
            for document in self.box_documents(session, person, &found).await? {
                match document {
                    Ok(document) => shown.push(document),
                    Err(error) => tracing::error!(%error, "a document of a box cannot be read"),
                }
            }
            if found.len() < asked.limit {
                break;
            }
            asked.limit -= shown.len() - before;
            asked.before = found.last().copied();
        }
        Ok(shown)
    }

    /// Those of `ids` that are in the box of `person`, in that order. One that cannot be read is an error of that document
    /// alone.
    async fn box_documents(
        &self,
        session: &Session,
        person: PersonId,
        ids: &[BinderId],
    ) -> Result<Vec<Result<BoxDocument>>> {
        let found = rows::documents(session, None, ids).await?;
        let in_box: Vec<Result<&StoredDocument>> = in_box(&found, ids, person).collect();
        let documents = || in_box.iter().flatten().copied();
        let (people, read, senders) = futures_util::try_join!(
            rows::people(session, [person]),
            rows::slices(session, documents().flat_map(StoredDocument::slices)),
            senders(session, person, documents())
        )?;
        let shown = |document: &StoredDocument| {
            let text = open_text(&self.inner.vault, document, people.get(&person), &read)?;
            let sender = senders
                .get(&document.contract)
                .ok_or_else(|| StoreError::damaged("a contract").about(document.id))?;
            Ok(BoxDocument::of(document, text, sender))
        };
        Ok(in_box.into_iter().map(|document| shown(document?)).collect())
    }
}

/// The senders of documents by contract, read together.
async fn senders<'a>(
    session: &Session,
    person: PersonId,
    documents: impl Iterator<Item = &'a StoredDocument>,
) -> Result<HashMap<ContractUuid, BoxSender>> {
    let mut contracts: Vec<ContractUuid> = documents.map(|d| d.contract).collect();
    contracts.sort();
    contracts.dedup();
    let sql = "SELECT c.contract_id, i.name, c.authentication, c.card, coalesce(r.refused, false) AS refused,
                 EXISTS (SELECT 1 FROM institution_marks m WHERE m.institution_id = c.institution_id) AS has_mark
               FROM unnest($1::uuid[]) AS asked (id)
               JOIN contracts c ON c.contract_id = ANY (ARRAY[asked.id])
               JOIN institutions i ON i.institution_id = ANY (ARRAY[c.institution_id])
               LEFT JOIN refusals r ON r.person_id = $2 AND r.institution_id = ANY (ARRAY[c.institution_id])";
    let sender = |row: &Row| {
        let sender = BoxSender {
            name: row.value("name")?,
            authentication: authentication(row)?,
            refused: row.value("refused")?,
            has_mark: row.value("has_mark")?,
            card: card(row)?.unwrap_or_default(),
        };
        Ok((row.id("contract_id")?, sender))
    };
    session.query(sql, &[&uuids(&contracts), &person.uuid()]).await?.iter().map(sender).collect()
}

#[async_trait]
impl Boxes for PostgresStore {
    async fn box_view(&self, person: PersonId, asked: BoxQuery, now: UnixSeconds) -> Result<BoxView> {
        let session = self.inner.sessions.interactive().await?;
        let ids = documents_of(&session, person).await?;
        let documents = self.on_shelf_shown(&session, person, &ids, asked, now).await?;
        let counted = BoxQuery { shelf: Shelf::Unread, before: None, limit: asked.unread_max, ..asked };
        let unread = match asked.unread_of(documents.len()) {
            Some(unread) => unread,
            None => Self::on_shelf(&session, person, &ids, counted, now).await?.len(),
        };
        Ok(BoxView { documents, unread })
    }

    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>> {
        let session = self.inner.sessions.interactive().await?;
        self.box_documents(&session, person, &[document]).await?.pop().transpose()
    }

    async fn refused_institutions(&self, person: PersonId) -> Result<Vec<RefusedInstitution>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT i.institution_id, i.name
                   FROM refusals r JOIN institutions i ON i.institution_id = ANY (ARRAY[r.institution_id])
                   WHERE r.person_id = $1 AND r.refused ORDER BY i.institution_id LIMIT 1000";
        let refused =
            |row: &Row| Ok(RefusedInstitution { id: row.id("institution_id")?, name: row.value("name")? });
        session.query(sql, &[&person.uuid()]).await?.iter().map(refused).collect()
    }

    async fn open(
        &self,
        opener: Opener,
        id: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        let session = self.inner.sessions.interactive().await?;
        let sender = match opener {
            Opener::Institution(institution) => Some(institution),
            Opener::Recipient(_) => None,
        };
        let mine = |document: &StoredDocument| match opener {
            Opener::Recipient(person) => document.person == person,
            Opener::Institution(_) => true,
        };
        loop {
            let Some(document) = rows::document(&session, sender, id).await?.filter(mine) else {
                return Ok(OpenVerdict::Unknown);
            };
            if let Some(refusal) = OpenVerdict::refusal(document.times.opening(document.deadline_at, now)) {
                return Ok(refusal);
            }
            // Read the text first: if that fails, no token or time must be stored.
            let (text, _) = rows::text(&session, &self.inner.vault, &document).await?;
            let token_expires_at = token_expires_at(document.deadline_at, now);
            if issue(&session, &document, token, token_expires_at, now).await? {
                return Ok(OpenVerdict::Opened {
                    link: text.content.link,
                    external_document_uuid: text.own.external_document_uuid,
                    token_expires_at,
                });
            }
            // It was opened or withdrawn meanwhile, and the next look tells which.
        }
    }
}

/// Issues a token; `false` if the document was opened for the first time, or withdrawn, since it was read.
async fn issue(
    session: &Session,
    document: &StoredDocument,
    token: TokenHash,
    token_expires_at: UnixSeconds,
    now: UnixSeconds,
) -> Result<bool> {
    let sql = "SELECT authentication FROM contracts WHERE contract_id = $1";
    let contract = session.query_opt(sql, &[&document.contract.uuid()]).await?;
    let contract = contract.ok_or_else(|| StoreError::damaged("a contract").about(document.id))?;
    let authentication = authentication(&contract)?;
    let opened_at = mark::opened_at(&document.times, now).0;
    let set = DocumentSet::only(document.id.position()).to_bytes();
    let params: [Param<'_>; 11] = [
        &document.id.uuid(),
        &token.0.as_slice(),
        &token_expires_at.0,
        &opened_at,
        &(authentication != Authentication::None).then_some(opened_at),
        &document.person.uuid(),
        &document.times.opened_at.is_some(),
        &document.institution.uuid(),
        &Number(authentication.first_opening()),
        &document.id.parcel().uuid(),
        &set.as_slice(),
    ];
    Ok(!session.write("opening a document", OPEN, &params).await?.is_empty())
}

fn authentication(row: &Row) -> Result<Authentication> {
    Authentication::from_name(row.value("authentication")?).ok_or(StoreError::damaged("authentication"))
}
