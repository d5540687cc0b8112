//! Sending (SPEC 5).

mod bulk;
mod single;
mod verdict;
mod wire;

pub(crate) use bulk::{__path_bulk, bulk};
pub(crate) use single::{__path_single, single};

use axum::http::HeaderMap;
use seoham_http::ApiError;
use seoham_model::Text;

/// What the headers of SPEC 10 ask for.
#[derive(Clone, Copy)]
struct Additions {
    /// Check everything, store nothing.
    dry_run: bool,
}

impl Additions {
    /// What the send counts as: a `real` one of its kind, or a dry run.
    fn kind(self, real: &'static str) -> &'static str {
        if self.dry_run { "dry_run" } else { real }
    }

    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        // A client that asks for a key's protection must not be left to believe that it has it.
        if headers.contains_key("idempotency-key") {
            return Err(ApiError::invalid(Text::fixed(
                "Idempotency-Key: 이 버전은 아직 지원하지 않습니다",
                "Idempotency-Key: not supported by this version yet",
            )));
        }
        match headers.get("seoham-dry-run").map(axum::http::HeaderValue::as_bytes) {
            Some(b"true") => Ok(Self { dry_run: true }),
            None | Some(b"false") => Ok(Self { dry_run: false }),
            Some(_) => Err(ApiError::invalid(Text::fixed(
                "Seoham-Dry-Run: true 또는 false여야 합니다",
                "Seoham-Dry-Run: must be true or false",
            ))),
        }
    }
}
