//! What becomes of a claimed document: whether it is announced, and with which text.

use std::collections::HashMap;
use std::sync::Arc;

use seoham_model::document::Content;
use seoham_model::{ParcelId, PersonId, UnixSeconds};
use seoham_vault::Vault;

use super::sealed::{NoticeText, SealedDocument, open_text};
use super::{Slice, Slices, StoredDocument};
use crate::box_entry::BoxEntry;
use crate::error::AboutEntity;
use crate::people::StoredPerson;
use crate::{Result, StoreError};

/// What becomes of a claimed document.
pub enum Announcement<'a> {
    /// It is announced.
    Due {
        /// The document.
        document: &'a StoredDocument,
        /// What the notification needs.
        text: NoticeText,
        /// Its relation to its recipient's box.
        entry: BoxEntry,
    },
    /// Its deadline has passed, or it was withdrawn or removed: it is taken off the queue.
    Over,
    /// It cannot be read: it is given up, so that an operator finds it.
    Unreadable(StoreError),
}

/// The slices that the announcement of a document needs: its shared text, or its own part with the text.
pub fn slice(document: &StoredDocument) -> Slice {
    document.text.as_ref().map_or(&document.part, |(_, text)| text).clone()
}

/// Judges claimed documents at `now`. A shared text is opened once.
pub struct Announcements<'a> {
    vault: &'a Vault,
    people: &'a HashMap<PersonId, StoredPerson>,
    read: &'a Slices,
    now: UnixSeconds,
    texts: HashMap<(ParcelId, u8), Result<Arc<Content>>>,
}

impl<'a> Announcements<'a> {
    /// A judge with what was read of the documents and their people.
    pub fn new(
        vault: &'a Vault,
        people: &'a HashMap<PersonId, StoredPerson>,
        read: &'a Slices,
        now: UnixSeconds,
    ) -> Self {
        Self { vault, people, read, now, texts: HashMap::new() }
    }

    /// What becomes of a document; `None` is one that was removed.
    pub fn of(&mut self, found: Option<&'a Result<StoredDocument>>) -> Announcement<'a> {
        let document = match found {
            None => return Announcement::Over,
            Some(Err(error)) => return Announcement::Unreadable(error.clone()),
            Some(Ok(document)) if document.is_over(self.now) => {
                return Announcement::Over;
            }
            Some(Ok(document)) => document,
        };
        let Some(person) = self.people.get(&document.person) else {
            return Announcement::Unreadable(StoreError::damaged("the missing person").about(document.id));
        };
        match self.text(document, person) {
            Ok(text) => {
                let (entered, member) = (document.times.received_at.is_some(), person.member_since.is_some());
                let entry = BoxEntry::of(entered, member, person.behaviour, document.times.sent_at);
                Announcement::Due { document, text, entry }
            }
            Err(error) => Announcement::Unreadable(error),
        }
    }

    fn text(&mut self, document: &StoredDocument, person: &StoredPerson) -> Result<NoticeText> {
        let shared = match &document.text {
            None => None,
            Some((number, slice)) => {
                let parcel = document.id.parcel();
                let open = || open_text(self.vault, parcel, *number, self.read.get(slice)?).map(Arc::new);
                let text = self.texts.entry((parcel, *number)).or_insert_with(open);
                Some(text.clone().about(document.id)?)
            }
        };
        let part =
            if shared.is_some() { &[][..] } else { self.read.get(&document.part).about(document.id)? };
        let sealed =
            SealedDocument { id: document.id, person: document.person, key: &person.key, part, text: None };
        sealed.open_notice(self.vault, &person.sealed, shared).about(document.id)
    }
}
