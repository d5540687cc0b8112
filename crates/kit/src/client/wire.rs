//! The platform's responses (SPEC 5 to 7).

use seoham_model::UnixSeconds;
use seoham_model::status::DocBoxStatus;
use serde::{Deserialize, Deserializer, Serialize};

/// The verdict on one document of a bulk send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResult {
    /// The institution's own id of the document.
    #[serde(default)]
    pub external_document_uuid: String,
    /// The id under which it was accepted; absent when it was refused, and after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_binder_uuid: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The same as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// The status of one document of a bulk query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StatusResult {
    /// The id from the query.
    pub document_binder_uuid: String,
    /// Absent if the institution has no such document.
    pub status_data: Option<StatusData>,
}

/// `status_data` (SPEC 6). Times are read in seconds or, with 13 digits, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StatusData {
    /// SENT, RECEIVED, READ or EXPIRED.
    pub doc_box_status: DocBoxStatus,
    /// When the platform accepted it.
    #[serde(deserialize_with = "moment")]
    pub doc_box_sent_at: UnixSeconds,
    /// Created in the recipient's box.
    #[serde(default, deserialize_with = "optional_moment")]
    pub doc_box_received_at: Option<UnixSeconds>,
    /// First successful authentication for opening it.
    #[serde(default, deserialize_with = "optional_moment")]
    pub authenticated_at: Option<UnixSeconds>,
    /// First successful verification of a token.
    #[serde(default, deserialize_with = "optional_moment")]
    pub token_used_at: Option<UnixSeconds>,
    /// First report that the page was shown.
    #[serde(default, deserialize_with = "optional_moment")]
    pub doc_box_read_at: Option<UnixSeconds>,
    /// The messenger's report that the notification arrived.
    #[serde(default, deserialize_with = "optional_moment")]
    pub user_notified_at: Option<UnixSeconds>,
    /// As it was sent.
    pub payload: Option<String>,
}

/// A verified token (SPEC 7).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct VerifiedToken {
    /// When it would have expired.
    #[serde(deserialize_with = "moment")]
    pub token_expires_at: UnixSeconds,
    /// When it was used: by this call.
    #[serde(deserialize_with = "moment")]
    pub token_used_at: UnixSeconds,
    /// When the recipient authenticated.
    #[serde(default, deserialize_with = "optional_moment")]
    pub authenticated_at: Option<UnixSeconds>,
    /// As it was sent.
    pub payload: Option<String>,
    /// Only from a Seoham server: the institution's own id of the document.
    pub external_document_uuid: Option<String>,
}

/// Thirteen digits: a time in seconds does not have so many before the year 33658.
const MILLISECONDS_FROM: i64 = 1_000_000_000_000;

fn of_number(number: i64) -> UnixSeconds {
    if number >= MILLISECONDS_FROM { UnixSeconds(number.div_euclid(1000)) } else { UnixSeconds(number) }
}

pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixSeconds, D::Error> {
    i64::deserialize(deserializer).map(of_number)
}

fn optional_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixSeconds>, D::Error> {
    Option::<i64>::deserialize(deserializer).map(|number| number.map(of_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_seconds_or_milliseconds() {
        let json = r#"{"doc_box_status":"READ","doc_box_sent_at":1795359600,"doc_box_read_at":1795359661999,
            "authenticated_at":null,"new":1}"#;
        let status: StatusData = serde_json::from_str(json).expect("a status");
        assert_eq!(status.doc_box_sent_at, UnixSeconds(1_795_359_600));
        assert_eq!(status.doc_box_read_at, Some(UnixSeconds(1_795_359_661)));
        assert_eq!((status.authenticated_at, status.user_notified_at), (None, None));
    }
}
