//! The error codes of the contract (SPEC 3 and 5).

use serde::Serialize;

/// A stable code that clients branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A rule of the contract is broken.
    InvalidValue,
    /// Single send: the receiver cannot be identified.
    UnidentifiedUser,
    /// No valid access token.
    Unauthorized,
    /// The receiver refuses the institution, or a read came before any verified token.
    Forbidden,
    /// Unknown, or somebody else's.
    NotFound,
    /// The institution's own limit is reached.
    TooManyRequests,
    /// Our fault, or not now.
    InternalError,
}

impl ErrorCode {
    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidValue => "INVALID_VALUE",
            Self::UnidentifiedUser => "UNIDENTIFIED_USER",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }
}
