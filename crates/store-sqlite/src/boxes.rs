//! Documents in a box. Opening one runs in the writer.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use seoham_model::status::token_expires_at;
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::accounts::Authentication;
use seoham_store::boxes::{
    BoxDocument, BoxQuery, BoxSender, BoxView, OpenVerdict, Opener, RefusedInstitution, Shelf, in_box, older,
    pieces,
};
use seoham_store::events::Step;
use seoham_store::parcel::document::open_text;
use seoham_store::parcel::{StoredDocument, mark};
use seoham_store::{Boxes, Lane, Result};
use seoham_vault::{TokenHash, Vault};

use crate::SqliteStore;
use crate::accounts::card;
use crate::box_index::BoxIndex;
use crate::columns::{Id, known};
use crate::documents::rows;
use crate::events::ledger;
use crate::readers::ReadError;
use crate::writer::WriteError;

#[async_trait]
impl Boxes for SqliteStore {
    async fn box_view(&self, person: PersonId, asked: BoxQuery, now: UnixSeconds) -> Result<BoxView> {
        let (vault, box_index) = (Arc::clone(&self.inner.vault), Arc::clone(&self.inner.box_index));
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            Shown { connection, vault: &vault, person }.view(&box_index, asked, now)
        });
        read.await
    }

    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let document = Shown { connection, vault: &vault, person }.documents(&[document])?.pop();
            Ok(document.transpose()?)
        });
        read.await
    }

    async fn refused_institutions(&self, person: PersonId) -> Result<Vec<RefusedInstitution>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let refused = connection
                .prepare_cached(
                    "SELECT i.institution_id, i.name FROM refusals r JOIN institutions i USING (institution_id)
                     WHERE r.person_id = ?1 AND r.refused ORDER BY i.institution_id LIMIT 1000",
                )?
                .query_map([Id(person)], |row| {
                    Ok(RefusedInstitution { id: row.get::<_, Id<InstitutionId>>(0)?.0, name: row.get(1)? })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(refused)
        });
        read.await
    }

    async fn open(
        &self,
        opener: Opener,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        let vault = Arc::clone(&self.inner.vault);
        self.inner
            .writer
            .interactive(move |connection| open(connection, &vault, opener, document, token, now))
            .await
    }
}

/// The box of a person, read on one connection.
struct Shown<'a> {
    connection: &'a Connection,
    vault: &'a Vault,
    person: PersonId,
}

impl Shown<'_> {
    fn view(
        &self,
        box_index: &BoxIndex,
        asked: BoxQuery,
        now: UnixSeconds,
    ) -> std::result::Result<BoxView, ReadError> {
        let ids = self.ids(box_index)?;
        let documents = self.shelf(&ids, asked, now)?;
        let unread = match asked.unread_of(documents.len()) {
            Some(unread) => unread,
            None => self.on_shelf(&ids, Shelf::Unread, None, asked.unread_max, now)?.len(),
        };
        Ok(BoxView { documents, unread })
    }

    /// The ids of all documents, newest first.
    fn ids(&self, box_index: &BoxIndex) -> std::result::Result<Vec<BinderId>, ReadError> {
        // The snapshot begins with the first read, after what is in memory was looked at.
        let _snapshot = self.connection.unchecked_transaction()?;
        box_index.documents_of(self.connection, self.person)
    }

    /// The ids of documents on a shelf, newest first, older than `before`, at most `limit`; `ids` are all of the box.
    fn on_shelf(
        &self,
        ids: &[BinderId],
        shelf: Shelf,
        before: Option<BinderId>,
        limit: usize,
        now: UnixSeconds,
    ) -> std::result::Result<Vec<BinderId>, ReadError> {
        // Read documents have an index of their own.
        if shelf == Shelf::Read {
            let read = self
                .connection
                .prepare_cached(
                    "SELECT document_id FROM marks
                     WHERE person_id = ?1 AND read_at IS NOT NULL AND (?2 IS NULL OR document_id < ?2)
                     ORDER BY document_id DESC LIMIT ?3",
                )?
                .query_map(params![Id(self.person), before.map(Id), limit], |row| {
                    row.get::<_, Id<BinderId>>(0).map(|id| id.0)
                })?
                .collect::<rusqlite::Result<_>>()?;
            return Ok(read);
        }
        let _snapshot = self.connection.unchecked_transaction()?;
        let mut on_shelf = Vec::new();
        for ids in pieces(older(ids, before), limit) {
            if on_shelf.len() >= limit {
                break;
            }
            let found = rows::documents(self.connection, None, ids)?;
            on_shelf.extend(shelf.select(&found, ids, self.person, now).take(limit - on_shelf.len()));
        }
        Ok(on_shelf)
    }

    /// At most `limit` documents on a shelf. Those that cannot be read are left out and logged: the others are shown, and as
    /// many as are asked for.
    fn shelf(
        &self,
        ids: &[BinderId],
        asked: BoxQuery,
        now: UnixSeconds,
    ) -> std::result::Result<Vec<BoxDocument>, ReadError> {
        let BoxQuery { shelf, mut before, limit, .. } = asked;
        let mut on_shelf = Vec::new();
        while on_shelf.len() < limit {
            let wanted = limit - on_shelf.len();
            let found = self.on_shelf(ids, shelf, before, wanted, now)?;
            for document in self.documents(&found)? {
                match document {
                    Ok(document) => on_shelf.push(document),
                    Err(error) => tracing::error!(%error, "a document of a box cannot be read"),
                }
            }
            before = found.last().copied();
            if found.len() < wanted {
                break;
            }
        }
        Ok(on_shelf)
    }

    /// Those of `ids` that are in the box, in that order. One that cannot be read is an error of that document alone.
    fn documents(&self, ids: &[BinderId]) -> std::result::Result<Vec<Result<BoxDocument>>, ReadError> {
        let _snapshot = self.connection.unchecked_transaction()?;
        let found = rows::documents(self.connection, None, ids)?;
        let in_box: Vec<Result<&StoredDocument>> = in_box(&found, ids, self.person).collect();
        let people = rows::people(self.connection, [self.person])?;
        let read =
            rows::slices(self.connection, in_box.iter().flatten().flat_map(|document| document.slices()))?;
        let shown = |document: &StoredDocument| {
            let sender = self.sender(document)?;
            Ok(open_text(self.vault, document, people.get(&self.person), &read)
                .map(|text| BoxDocument::of(document, text, &sender)))
        };
        in_box.into_iter().map(|document| document.map_or_else(|error| Ok(Err(error)), shown)).collect()
    }

    fn sender(&self, document: &StoredDocument) -> rusqlite::Result<BoxSender> {
        self.connection
            .prepare_cached(
                "SELECT i.name, c.authentication, c.card,
                   coalesce((SELECT refused FROM refusals r
                             WHERE r.person_id = ?2 AND r.institution_id = c.institution_id), 0),
                   EXISTS (SELECT 1 FROM institution_marks m WHERE m.institution_id = c.institution_id)
                 FROM contracts c JOIN institutions i USING (institution_id) WHERE c.contract_id = ?1",
            )?
            .query_row(params![Id(document.contract), Id(self.person)], |row| {
                Ok(BoxSender {
                    name: row.get(0)?,
                    authentication: known(1, Authentication::from_name(row.get_ref(1)?.as_str()?))?,
                    card: card(row, 2)?.unwrap_or_default(),
                    refused: row.get(3)?,
                    has_mark: row.get(4)?,
                })
            })
    }
}

fn open(
    connection: &Connection,
    vault: &Vault,
    opener: Opener,
    id: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> std::result::Result<OpenVerdict, WriteError> {
    let sender = match opener {
        Opener::Institution(institution) => Some(institution),
        Opener::Recipient(_) => None,
    };
    let mine = |document: &StoredDocument| match opener {
        Opener::Recipient(person) => document.person == person,
        Opener::Institution(_) => true,
    };
    let Some(document) = rows::document(connection, sender, id)?.filter(mine) else {
        return Ok(OpenVerdict::Unknown);
    };
    if let Some(refusal) = OpenVerdict::refusal(document.times.opening(document.deadline_at, now)) {
        return Ok(refusal);
    }
    // Read the text first: if that fails, no token or time must be stored.
    let (text, _) = rows::text(connection, vault, &document)?;
    let authentication = connection
        .prepare_cached("SELECT authentication FROM contracts WHERE contract_id = ?1")?
        .query_row([Id(document.contract)], |row| {
            known(0, Authentication::from_name(row.get_ref(0)?.as_str()?))
        })?;
    let token_expires_at = token_expires_at(document.deadline_at, now);
    connection
        .prepare_cached(
            "INSERT INTO one_time_tokens (document_id, token_hash, expires_at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![Id(id), token.0, token_expires_at.0])?;
    if document.times.opened_at.is_none() {
        let at = mark::opened_at(&document.times, now);
        let authenticated_at = (authentication != Authentication::None).then_some(at.0);
        connection
            .prepare_cached(
                "INSERT INTO marks (document_id, person_id, opened_at, authenticated_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (document_id) DO UPDATE SET opened_at = excluded.opened_at,
                   authenticated_at = coalesce(authenticated_at, excluded.authenticated_at)",
            )?
            .execute(params![Id(id), Id(document.person), at.0, authenticated_at])?;
        let step = Step::of_document(document.institution, authentication.first_opening(), at, id);
        ledger::append(connection, &[step])?;
    }
    Ok(OpenVerdict::Opened {
        link: text.content.link,
        external_document_uuid: text.own.external_document_uuid,
        token_expires_at,
    })
}
