//! `status_data`: the status of a document on the wire (SPEC 6).

use serde::Serialize;

use crate::clock::UnixSeconds;
use crate::status::{DocBoxStatus, Times};

/// `status_data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StatusData))]
pub struct StatusData {
    /// SENT, RECEIVED, READ or EXPIRED.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "RECEIVED"))]
    doc_box_status: DocBoxStatus,
    /// Accepted, in Unix seconds like all times here.
    doc_box_sent_at: i64,
    /// Created in the recipient's box.
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_box_received_at: Option<i64>,
    /// First successful authentication for opening this document.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<i64>,
    /// First successful verification of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_used_at: Option<i64>,
    /// First successful report that the page was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_box_read_at: Option<i64>,
    /// The messenger's report that the notification arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_notified_at: Option<i64>,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

impl StatusData {
    /// The status at `now` of a document with these times, this deadline and this payload.
    pub fn of(times: &Times, deadline_at: UnixSeconds, payload: Option<String>, now: UnixSeconds) -> Self {
        let seconds = |time: Option<UnixSeconds>| time.map(|time| time.0);
        Self {
            doc_box_status: times.status(deadline_at, now),
            doc_box_sent_at: times.sent_at.0,
            doc_box_received_at: seconds(times.received_at),
            authenticated_at: seconds(times.authenticated_at),
            token_used_at: seconds(times.token_used_at),
            doc_box_read_at: seconds(times.read_at),
            user_notified_at: seconds(times.notified_at),
            payload,
        }
    }
}
