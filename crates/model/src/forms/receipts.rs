//! The messenger's delivery reports (SPEC 13).

use serde::Deserialize;

use super::Raw;
use crate::bulk::{MalformedRequest, any};
use crate::clock::UnixSeconds;
use crate::document::{Checker, StringRule, raw_kind};
use crate::ids::BinderId;
use crate::notification::{FallbackId, NotificationId};
use crate::violation::{JsonKind, Place, Rule, Violation, text};

/// The maximum number of receipts in one call (SPEC 13).
pub const RECEIPTS_MAX: usize = 1_000;

/// The message that a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedMessage {
    /// The notification of this document.
    Notification(BinderId),
    /// The SMS or LMS that was sent instead.
    Fallback(BinderId),
}

impl ReportedMessage {
    fn parse(id: &str) -> Option<Self> {
        let notification = NotificationId::parse(id).map(|id| Self::Notification(id.0));
        notification.or_else(|| FallbackId::parse(id).map(|id| Self::Fallback(id.0)))
    }
}

/// What a report says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedStatus {
    /// `delivered`.
    Delivered,
    /// `fallback`: delivered as an SMS or LMS, by a bridge that sends one.
    Fallback,
    /// `failed`.
    Failed,
}

/// The messenger's report on one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportedReceipt {
    /// The message; `None` if the id is unknown, which is harmless.
    pub id: Option<ReportedMessage>,
    /// What became of it.
    pub status: ReportedStatus,
    /// The time; 13 digits are milliseconds.
    pub at: UnixSeconds,
}

/// `[{"id", "status": "delivered" | "fallback" | "failed", "at"}]`, up to [`RECEIPTS_MAX`].
pub fn receipts(body: &[u8]) -> Result<Vec<ReportedReceipt>, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        id: Raw<'a>,
        #[serde(borrow)]
        status: Raw<'a>,
        #[serde(borrow)]
        at: Raw<'a>,
    }
    let raw = any(body)?;
    let found = raw_kind(raw);
    let broken = |index, violation: Violation| MalformedRequest(text(&[violation], Place::Element(index)));
    if found != JsonKind::Array {
        let rule = Rule::WrongType { expected: JsonKind::Array, found };
        return Err(MalformedRequest(text(&[Violation::new("", rule)], Place::Body)));
    }
    let items = crate::bulk::bounded_items(raw, "receipts", RECEIPTS_MAX)?;
    let mut receipts = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        let mut checker = Checker::default();
        let receipt = checker.object("", Some(item)).and_then(|form: Form<'_>| {
            let any = StringRule::characters(1, usize::MAX);
            let id = checker.required("id", form.id, any);
            let status = checker.required("status", form.status, any);
            if form.at.is_none() {
                checker.report("at", Rule::Missing);
            }
            let at = checker.integer("at", form.at, 0, 9_999_999_999_999)?;
            let status = match status?.as_str() {
                "delivered" => ReportedStatus::Delivered,
                "fallback" => ReportedStatus::Fallback,
                "failed" => ReportedStatus::Failed,
                _ => {
                    checker.report("status", Rule::UnknownReceiptStatus);
                    return None;
                }
            };
            let at = UnixSeconds(if at > 9_999_999_999 { at / 1000 } else { at });
            Some(ReportedReceipt { id: ReportedMessage::parse(&id?), status, at })
        });
        match checker.finish(receipt) {
            Ok(receipt) => receipts.push(receipt),
            Err(violations) => {
                let first = violations.into_iter().next();
                return Err(broken(i, first.unwrap_or(Violation::new("", Rule::Unreadable))));
            }
        }
    }
    Ok(receipts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn receipts_are_read_and_strangers_kept_harmless() {
        let body =
            br#"[{"id":"x","status":"delivered","at":1700000000123},{"id":"y","status":"failed","at":5}]"#;
        let read = receipts(body).expect("good");
        assert_eq!(
            read[0],
            ReportedReceipt { id: None, status: ReportedStatus::Delivered, at: UnixSeconds(1_700_000_000) }
        );
        assert_eq!(read[1].status, ReportedStatus::Failed);
        let broken =
            receipts(br#"[{"id":"x","status":"delivered","at":1},{"id":"x","status":"late","at":1}]"#);
        assert!(broken.expect_err("bad").0.in_lang(Lang::En).starts_with("[1].status"));
        assert!(receipts(b"[]").is_err() && receipts(b"{}").is_err());
    }
}
