//! Documents in a box, and opening one.

use std::collections::HashMap;

use async_trait::async_trait;
use seoham_model::card::Card;
use seoham_model::status::{Opening, token_expires_at};
use seoham_model::{BinderId, ContractUuid, PersonId, UnixSeconds};
use seoham_store::accounts::{Authentication, Institution};
use seoham_store::boxes::{BoxDocument, OpenVerdict, Opener, Shelf};
use seoham_store::{AboutEntity, Boxes, Result, StoreError};
use seoham_vault::TokenHash;
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::accounts::{card, institution};
use crate::columns::{Columns, Id, uuids};
use crate::documents::rows::{self, DocumentRow};
use crate::session::Session;

/// Stores the token and the time of the first authentication, both or neither.
const OPEN: &str = "WITH token AS (
      INSERT INTO one_time_tokens (document_id, token_hash, expires_at) VALUES ($1, $2, $3))
    UPDATE documents SET authenticated_at = greatest($4, sent_at, received_at)
    WHERE document_id = $1 AND authenticated_at IS NULL
      AND (SELECT authentication FROM contracts c WHERE c.contract_id = documents.contract_id) <> 'none'";

// The shelves of `Shelf::of`, each with its own index.
const UNREAD: &str = "SELECT document_id FROM documents
    WHERE person_id = $1 AND received_at IS NOT NULL AND read_at IS NULL AND deadline_at > $2
      AND ($3::uuid IS NULL OR document_id < $3) ORDER BY document_id DESC LIMIT $4";
const READ: &str = "SELECT document_id FROM documents
    WHERE person_id = $1 AND received_at IS NOT NULL AND read_at IS NOT NULL AND $2::bigint IS NOT NULL
      AND ($3::uuid IS NULL OR document_id < $3) ORDER BY document_id DESC LIMIT $4";
const EXPIRED: &str = "SELECT document_id FROM documents
    WHERE person_id = $1 AND received_at IS NOT NULL AND read_at IS NULL AND deadline_at <= $2
      AND ($3::uuid IS NULL OR document_id < $3) ORDER BY document_id DESC LIMIT $4";

impl PostgresStore {
    /// Those of `ids` that are in the box of `person`, in that order.
    async fn box_documents(
        &self,
        session: &Session,
        person: PersonId,
        ids: &[BinderId],
    ) -> Result<Vec<BoxDocument>> {
        let mut documents = rows::documents(session, None, ids).await?;
        documents.retain(|_, d| d.person == person && d.times.received_at.is_some());
        let (people, contents, senders) = futures_util::try_join!(
            rows::people(session, documents.values()),
            rows::contents(session, documents.values()),
            senders(session, person, documents.values())
        )?;
        let mut in_order = Vec::with_capacity(ids.len());
        for document in ids.iter().filter_map(|id| documents.remove(id)) {
            let recipient = people
                .get(&person)
                .ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
            let text = rows::open_text(&self.inner.vault, &document, recipient, &contents)?;
            let sender = senders.get(&document.contract).ok_or(StoreError::damaged("a contract"))?;
            in_order.push(BoxDocument {
                id: document.id,
                institution: document.institution,
                institution_name: sender.name.clone(),
                has_mark: sender.has_mark,
                shown: sender.card.shown(text.own.payload.as_deref()),
                content: text.content,
                hash: document.hash,
                authentication: sender.authentication,
                times: document.times,
                deadline_at: document.deadline_at,
                refused: sender.refused,
            });
        }
        Ok(in_order)
    }
}

/// The sender of a contract, as a person sees it.
struct Sender {
    name: String,
    authentication: Authentication,
    refused: bool,
    has_mark: bool,
    card: Card,
}

/// The senders of documents by contract, read together.
async fn senders<'a>(
    session: &Session,
    person: PersonId,
    documents: impl Iterator<Item = &'a DocumentRow>,
) -> Result<HashMap<ContractUuid, Sender>> {
    let mut contracts: Vec<ContractUuid> = documents.map(|d| d.contract).collect();
    contracts.sort();
    contracts.dedup();
    let sql = "SELECT c.contract_id, i.name, c.authentication, c.card, coalesce(r.refused, false) AS refused,
                 EXISTS (SELECT 1 FROM institution_marks m WHERE m.institution_id = c.institution_id) AS has_mark
               FROM unnest($1::uuid[]) AS asked (id)
               JOIN contracts c ON c.contract_id = asked.id
               JOIN institutions i ON i.institution_id = c.institution_id
               LEFT JOIN refusals r ON r.person_id = $2 AND r.institution_id = c.institution_id";
    let sender = |row: &Row| {
        let sender = Sender {
            name: row.value("name")?,
            authentication: Authentication::from_name(row.value("authentication")?)
                .ok_or(StoreError::damaged("authentication"))?,
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
    async fn shelf(
        &self,
        person: PersonId,
        shelf: Shelf,
        before: Option<BinderId>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Vec<BoxDocument>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = match shelf {
            Shelf::Unread => UNREAD,
            Shelf::Read => READ,
            Shelf::Expired => EXPIRED,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let before = before.map(|id| id.uuid());
        let rows = session.query(sql, &[&person.uuid(), &now.0, &before, &limit]).await?;
        let ids: Vec<BinderId> = rows.iter().map(|row| row.id("document_id")).collect::<Result<_>>()?;
        self.box_documents(&session, person, &ids).await
    }

    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>> {
        let session = self.inner.sessions.interactive().await?;
        Ok(self.box_documents(&session, person, &[document]).await?.pop())
    }

    async fn unread(&self, person: PersonId, limit: usize, now: UnixSeconds) -> Result<usize> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT count(*) AS unread FROM (
                     SELECT 1 FROM documents
                     WHERE person_id = $1 AND received_at IS NOT NULL AND read_at IS NULL AND deadline_at > $2
                     LIMIT $3) AS counted";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let counted = session.query_opt(sql, &[&person.uuid(), &now.0, &limit]).await?;
        let unread: i64 = counted.map_or(Ok(0), |row| row.value("unread"))?;
        Ok(usize::try_from(unread).unwrap_or(0))
    }

    async fn refused_institutions(&self, person: PersonId) -> Result<Vec<Institution>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT i.institution_id, i.name, i.created_at
                   FROM refusals r JOIN institutions i ON i.institution_id = r.institution_id
                   WHERE r.person_id = $1 AND r.refused ORDER BY i.institution_id LIMIT 1000";
        session.query(sql, &[&person.uuid()]).await?.iter().map(institution).collect()
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
        let found = rows::documents(&session, sender, &[id]).await?.remove(&id);
        let mine = |document: &DocumentRow| match opener {
            Opener::Recipient(person) => document.person == person,
            Opener::Institution(_) => true,
        };
        let Some(document) = found.filter(mine) else {
            return Ok(OpenVerdict::Unknown);
        };
        match document.times.opening(document.deadline_at, now) {
            Opening::TooLate => return Ok(OpenVerdict::Expired),
            Opening::NotInBox => return Ok(OpenVerdict::NotInBox),
            Opening::Open => {}
        }
        // Read the text first: if that fails, no token or time must be stored.
        let (text, _) = rows::text(&session, &self.inner.vault, &document).await?;
        let token_expires_at = token_expires_at(document.deadline_at, now);
        let hash = token.0.as_slice();
        session.write("opening a document", OPEN, &[&id.uuid(), &hash, &token_expires_at.0, &now.0]).await?;
        Ok(OpenVerdict::Opened {
            link: text.content.link,
            external_document_uuid: text.own.external_document_uuid,
            token_expires_at,
        })
    }
}
