//! Why a call did not do what was asked, and whether it certainly did not.

use std::time::Duration;

use seoham_model::Lang;
use seoham_model::violation::{Place, Violation, message};
use serde::Deserialize;

use super::transport::Answer;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An address that cannot be used.
    #[error("{0}: must be an http(s) address without query and fragment")]
    Address(&'static str),
    /// The access token has not the form of one.
    #[error("the access token must be 32 lower-case hex digits")]
    AccessToken,
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why a call failed. No text here carries a personal value, as long as the platform keeps SPEC 3.
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
    /// None, or more than 100 items. Nothing was sent.
    #[error("a request holds 1 to 100 items, not {0}")]
    Items(usize),
    /// The platform refused the request as a whole: nothing of it was done.
    #[error("{status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// SPEC 3.
        code: String,
        /// What the platform says.
        message: String,
    },
    /// The platform takes no more at the moment (429, 503): nothing was done.
    #[error("{status}: the platform takes no more at the moment")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
    /// No connection: nothing was sent.
    #[error("the platform cannot be reached")]
    Unreachable,
    /// The request was sent, and it is not known what became of it.
    #[error("no answer that tells what became of the request: {0}")]
    Unknown(&'static str),
    /// An answer that the contract does not have. It is not known what became of the request.
    #[error("{0}: not an answer of the contract")]
    Unintelligible(u16),
    /// The exchange log takes nothing, so nothing more is sent.
    #[error("the exchange log could not be written")]
    Log,
}

impl CallError {
    /// Whether what was asked has certainly not been done.
    pub fn certainly_not_done(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::Unintelligible(_))
    }

    /// Whether the same call may fare better later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable | Self::Unknown(_))
    }

    /// The pause that the platform asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What an answer that is no success means.
    pub(super) fn of(answer: &Answer) -> Self {
        #[derive(Deserialize)]
        struct Envelope {
            error_code: String,
            error_message: String,
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
            Ok(Envelope { error_code: code, error_message: message }) => {
                Self::Refused { status, code, message }
            }
            // Somebody else answered; but a 4xx is a refusal whoever says it.
            Err(_) => Self::Refused { status, code: String::new(), message: answer.status.to_string() },
        }
    }
}
