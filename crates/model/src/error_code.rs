//! The error codes of the contract (SPEC 3 and 5).

use serde::Serialize;

/// A stable code for clients to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A contract rule is violated.
    InvalidValue,
    /// Single send: the receiver cannot be identified.
    UnidentifiedUser,
    /// No valid access token.
    Unauthorized,
    /// The receiver refuses the institution, or a read came before any verified token.
    Forbidden,
    /// Unknown, or owned by another party.
    NotFound,
    /// Events from before what is kept.
    Gone,
    /// The institution's rate limit is reached.
    TooManyRequests,
    /// A server error, or temporarily unavailable.
    InternalError,
}

impl ErrorCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidValue => "INVALID_VALUE",
            Self::UnidentifiedUser => "UNIDENTIFIED_USER",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Gone => "GONE",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}
