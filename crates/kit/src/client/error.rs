//! Why a call failed, and whether it certainly had no effect.

use std::time::Duration;

use seoham_model::Lang;
use seoham_model::violation::{Place, Violation, message};
use serde::Deserialize;

use super::transport::Answer;

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An invalid address.
    #[error("{0}: must be an http(s) address without query and fragment")]
    Address(&'static str),
    /// The access token is malformed.
    #[error("the access token must be 32 lower-case hex digits")]
    AccessToken,
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why a call failed. The texts contain no personal values, provided that the platform complies with SPEC 3.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// A document breaks rules of SPEC 4. Nothing was sent.
    #[error("{}", message(.violations, Place::Bulk(*.index), Lang::En))]
    Document {
        /// Which of the documents.
        index: usize,
        /// What is wrong with it.
        violations: Vec<Violation>,
    },
    /// No items, or more than 100. Nothing was sent.
    #[error("a request holds 1 to 100 items, not {0}")]
    Items(usize),
    /// The platform refused the whole request; nothing was done.
    #[error("{status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// SPEC 3.
        code: String,
        /// The platform's message.
        message: String,
    },
    /// Events that are no longer kept (410, SPEC 15).
    #[error("410: the events are no longer kept; the oldest that is kept is number {oldest}")]
    Gone {
        /// The number of the oldest event that is kept.
        oldest: u64,
    },
    /// The platform rejects requests temporarily (429, 503); nothing was done.
    #[error("{status}: the platform takes no more at the moment")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The delay that it requests.
        retry_after: Option<Duration>,
    },
    /// No connection; nothing was sent.
    #[error("the platform cannot be reached")]
    Unreachable,
    /// The request was sent, but its outcome is unknown.
    #[error("no answer that tells what became of the request: {0}")]
    Unknown(&'static str),
    /// A response that the contract does not define. The outcome of the request is unknown.
    #[error("{0}: not an answer of the contract")]
    Unintelligible(u16),
    /// The exchange log is not writable, so nothing more is sent.
    #[error("the exchange log could not be written")]
    Log,
}

impl CallError {
    /// Whether the call certainly had no effect.
    pub fn certainly_not_done(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::Unintelligible(_))
    }

    /// Whether a retry may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable | Self::Unknown(_))
    }

    /// The delay that the platform requested.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error for an unsuccessful response.
    pub(super) fn of(answer: &Answer) -> Self {
        #[derive(Deserialize)]
        struct Envelope {
            error_code: String,
            error_message: String,
            oldest: Option<u64>,
        }
        let status = answer.status.as_u16();
        match status {
            429 | 503 => return Self::Busy { status, retry_after: answer.retry_after() },
            500 => return Self::Unknown("the platform failed"),
            502 | 504 => return Self::Unknown("something in between failed"),
            408 => return Self::Unknown("the platform stopped waiting"),
            400..500 => {}
            _ => return Self::Unintelligible(status),
        }
        match serde_json::from_slice(&answer.body) {
            Ok(Envelope { oldest: Some(oldest), .. }) if status == 410 => Self::Gone { oldest },
            Ok(Envelope { error_code: code, error_message: message, .. }) => {
                Self::Refused { status, code, message }
            }
            // Something other than the platform replied; but a 4xx is a refusal in any case.
            Err(_) => Self::Refused { status, code: String::new(), message: answer.status.to_string() },
        }
    }
}
