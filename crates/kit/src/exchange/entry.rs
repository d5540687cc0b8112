//! The entries of the log. They hold only ids, numbers and fixed words, so no personal value fits in.

use std::fmt;

use seoham_model::BinderId;
use serde::Serialize;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A user entering the page was confirmed (SPEC 9, a).
    Entered,
    /// The page is about to be complete at the browser: its last chunk is sent next.
    Shown,
    /// The page could not be shown (SPEC 9, b).
    PageFailed,
    /// One exchange with the platform (SPEC 9, c).
    Platform,
    /// A read that was not yet reported when the gateway started.
    ReadPending,
    /// The platform accepted the report of a read.
    ReadReported,
    /// The platform refused the report of a read permanently.
    ReadRefused,
    /// A torn end was truncated when the log was opened.
    Recovered,
    /// Damage was found before the end of the log.
    DamageFound,
}

/// One visit of one document: the id that its records share.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(transparent)]
pub struct VisitId(String);

impl VisitId {
    /// A new id.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// Parses 32 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 32 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VisitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id that the platform assigned to an exchange.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// An id of 1 to 64 letters, digits, `-`, `_` and `.`; anything else is dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let is_safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        ((1..=64).contains(&text.len()) && text.bytes().all(is_safe)).then(|| Self(text.to_owned()))
    }
}

/// Which call of the platform it was, by its path template: the path itself can contain a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`.
    pub method: &'static str,
    /// `/v1/documents/{binder}`.
    pub path: &'static str,
}

impl Call {
    /// Sending in bulk (SPEC 5).
    pub const SEND_BULK: Self = Self { method: "POST", path: "/v1/documents/bulk" };
    /// Sending one document (SPEC 5).
    pub const SEND: Self = Self { method: "POST", path: "/v1/documents" };
    /// Asking for many documents (SPEC 6).
    pub const STATUS_BULK: Self = Self { method: "POST", path: "/v1/documents/bulk/status" };
    /// Asking for one document (SPEC 6).
    pub const STATUS: Self = Self { method: "GET", path: "/v1/documents/{binder}/status" };
    /// The sandbox's calls (SPEC 12).
    pub const SANDBOX: Self = Self { method: "POST", path: "/sandbox/v1/{call}" };
    /// Verifying a token (SPEC 7).
    pub const VERIFY: Self = Self { method: "GET", path: "/v1/documents/{binder}/tokens/{token}" };
    /// Reporting a read (SPEC 7).
    pub const READ: Self = Self { method: "POST", path: "/v1/documents/{binder}" };
    /// Reading the feed (SPEC 15).
    pub const EVENTS: Self = Self { method: "GET", path: "/v1/events" };
    /// Withdrawing a document (SPEC 16).
    pub const WITHDRAW: Self = Self { method: "POST", path: "/v1/documents/{binder}/withdraw" };
}

/// One record to be written. The log adds time, sequence number and hashes.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// What it is about.
    pub kind: Kind,
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<BinderId>,
    /// The visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    /// The call's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// The call's path template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'static str>,
    /// The HTTP status of the response, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The outcome, in one fixed word.
    pub outcome: &'static str,
    /// The duration, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The platform's id of the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// Bytes that were truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The log file that the record is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

impl Entry {
    /// A record of `kind` with the given `outcome`.
    pub fn new(kind: Kind, outcome: &'static str) -> Self {
        Self {
            kind,
            document: None,
            visit: None,
            method: None,
            path: None,
            status: None,
            outcome,
            ms: None,
            request_id: None,
            bytes: None,
            file: None,
            line: None,
        }
    }

    /// For this visit of this document.
    #[must_use]
    pub fn of(mut self, document: BinderId, visit: &VisitId) -> Self {
        self.document = Some(document);
        self.visit = Some(visit.clone());
        self
    }

    /// With this HTTP status.
    #[must_use]
    pub fn status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }
}
