//! Steps as they are written, and as they are numbered.

use seoham_model::{BinderId, EventType, InstitutionId, ParcelId, UnixSeconds};

use super::DocumentSet;

/// What happened to documents of one parcel, or to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose feed it belongs to.
    pub institution: InstitutionId,
    /// What happened.
    pub event_type: EventType,
    /// When.
    pub at: UnixSeconds,
    /// To which documents; `None` for what happened to none.
    pub documents: Option<(ParcelId, DocumentSet)>,
}

impl Step {
    /// A step of documents of `parcel`.
    pub fn of_parcel(
        institution: InstitutionId,
        event_type: EventType,
        at: UnixSeconds,
        parcel: ParcelId,
        documents: DocumentSet,
    ) -> Self {
        Self { institution, event_type, at, documents: Some((parcel, documents)) }
    }

    /// A step of one document.
    pub fn of_document(
        institution: InstitutionId,
        event_type: EventType,
        at: UnixSeconds,
        document: BinderId,
    ) -> Self {
        let documents = DocumentSet::only(document.position());
        Self::of_parcel(institution, event_type, at, document.parcel(), documents)
    }

    /// A step of a person who remains unnamed: they refuse the institution's documents, or take them again.
    pub fn of_refusal(institution: InstitutionId, refused: bool, at: UnixSeconds) -> Self {
        let event_type = if refused { EventType::RecipientRefused } else { EventType::RecipientAccepted };
        Self { institution, event_type, at, documents: None }
    }

    /// One of the institution's webhooks was disabled: who reads the feed by another way learns of it.
    pub fn of_disabled_webhook(institution: InstitutionId, at: UnixSeconds) -> Self {
        Self { institution, event_type: EventType::WebhookDisabled, at, documents: None }
    }

    /// How many events it is: 0 for a step of no documents at all, which is not to be written.
    pub fn event_count(&self) -> u8 {
        self.documents.map_or(1, |(_, documents)| documents.count())
    }
}

/// A numbered step: its events have the numbers up to `last_seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The number of its last event.
    pub last_seq: u64,
    /// The step.
    pub step: Step,
}

impl LedgerRow {
    /// The number of its first event.
    pub fn first_seq(&self) -> u64 {
        (self.last_seq + 1).saturating_sub(self.step.event_count().into())
    }

    /// Its events in order: numbers with their documents.
    pub fn events(&self) -> impl Iterator<Item = (u64, Option<BinderId>)> {
        let documents = self.step.documents.map(|(parcel, documents)| documents.documents(parcel));
        let none = self.step.documents.is_none().then_some(None);
        (self.first_seq()..).zip(documents.into_iter().flatten().map(Some).chain(none))
    }
}
