//! The types of events in an institution's feed (SPEC 15).

use serde::Serialize;

use crate::status_data::StatusData;
use crate::stored::NamedNumber;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// A document was accepted.
    Accepted,
    /// It entered the recipient's box.
    Received,
    /// The messenger reported that the notification arrived.
    Notified,
    /// The notification did not arrive: it was given up, or the messenger reported that it failed.
    NoticeFailed,
    /// The recipient authenticated for opening it, for the first time.
    Authenticated,
    /// The recipient opened it for the first time, under a contract that needs no authentication.
    Opened,
    /// A token of it was verified for the first time.
    TokenUsed,
    /// The institution reported that its page was shown.
    Read,
    /// Its deadline passed unread.
    Expired,
    /// The institution withdrew it.
    Withdrawn,
    /// A person refuses the institution's documents from now on.
    RecipientRefused,
    /// A person takes them again.
    RecipientAccepted,
    /// One of the institution's webhooks was disabled.
    WebhookDisabled,
}

impl NamedNumber for EventType {
    const ALL: &'static [(Self, i64, &'static str)] = &[
        (Self::Accepted, 1, "document.accepted"),
        (Self::Received, 2, "document.received"),
        (Self::Notified, 3, "document.notified"),
        (Self::NoticeFailed, 4, "document.notice_failed"),
        (Self::Authenticated, 5, "document.authenticated"),
        (Self::Opened, 6, "document.opened"),
        (Self::TokenUsed, 7, "document.token_used"),
        (Self::Read, 8, "document.read"),
        (Self::Expired, 9, "document.expired"),
        (Self::Withdrawn, 10, "document.withdrawn"),
        (Self::RecipientRefused, 11, "recipient.refused"),
        (Self::RecipientAccepted, 12, "recipient.accepted"),
        (Self::WebhookDisabled, 13, "webhook.disabled"),
    ];
}

impl EventType {
    /// All types, in the order in which they are described.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().map(|(event_type, ..)| *event_type)
    }
}

impl Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An event on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Event))]
pub struct FeedEvent {
    /// Its number, counted from 1 without gaps for each institution.
    pub seq: u64,
    /// What happened.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "document.read"))]
    pub event_type: EventType,
    /// When, in Unix seconds: the same second as in `data`, where that step has a member.
    pub at: i64,
    /// Absent from events that are about no document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_binder_uuid: Option<String>,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_document_uuid: Option<String>,
    /// The document as it was after this step. Empty if the event is about no document, or if the document was removed
    /// since.
    pub data: EventData,
}

/// What an event tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EventData))]
pub struct EventData {
    /// The members of `status_data`.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(inline))]
    pub status: Option<StatusData>,
    /// Only of `document.notified`: `messenger`, or `fallback` if it came as an SMS or LMS instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "messenger"))]
    pub notified_by: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::StoredNumber;

    #[test]
    fn every_type_has_a_name_and_a_number_of_its_own() {
        for event_type in EventType::all() {
            assert_eq!(EventType::from_name(event_type.name()), Some(event_type));
            assert_eq!(EventType::from_number(event_type.as_number()), Some(event_type));
        }
        assert_eq!(EventType::from_name("document.unread"), None);
        assert_eq!(EventType::from_number(14), None);
    }
}
