//! Sending (SPEC 5).

mod bulk;
mod run;
mod single;
mod verdict;
mod wire;

pub(crate) use bulk::{__path_bulk, bulk};
pub(crate) use single::{__path_single, single};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use seoham_http::{ApiError, headers};
use seoham_model::contract::Product;
use seoham_model::document::{CheckContext, ReadItem};
use seoham_model::{InstitutionId, Text};
use seoham_store::Mode;
use seoham_store::idempotency::IdempotencyKey;

use crate::sandbox::troubles::Trouble;
use crate::state::Gateway;
use run::Decision;

/// The request headers of SPEC 10.
#[derive(Default)]
struct Additions {
    /// Validate everything, store nothing.
    dry_run: bool,
    /// Return the stored response of the first request.
    key: Option<IdempotencyKey>,
    /// At least one of these headers is present: the response then lists the supported additions.
    asked: bool,
}

const DRY_RUN: HeaderName = HeaderName::from_static("seoham-dry-run");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Lists the supported additions to a client that used one. A server that supports none does not send this
/// header.
const ADDITIONS: (HeaderName, HeaderValue) =
    (HeaderName::from_static("seoham-additions"), HeaderValue::from_static("idempotency-key, dry-run"));

/// Tell a client that performs a dry run the institution and the mode that it will send for.
const INSTITUTION: HeaderName = HeaderName::from_static("seoham-institution");
const MODE: HeaderName = HeaderName::from_static("seoham-mode");
/// And the product of the contract (SPEC 14).
const AUTHENTICATION: HeaderName = HeaderName::from_static("seoham-contract-authentication");
const CERTIFIED: HeaderName = HeaderName::from_static("seoham-contract-certified");
const NOTICE: HeaderName = HeaderName::from_static("seoham-contract-notice");

/// The headers of a dry run's response. The name can be Korean, so it is percent-encoded.
fn add_dry_run_headers(answer: &mut Response, name: &str, mode: Mode, product: Product) {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
    if let Ok(name) = HeaderValue::from_str(&name) {
        answer.headers_mut().insert(INSTITUTION, name);
    }
    let headers = answer.headers_mut();
    headers.insert(MODE, HeaderValue::from_static(mode.name()));
    headers.insert(AUTHENTICATION, HeaderValue::from_static(product.authentication.name()));
    headers.insert(CERTIFIED, HeaderValue::from_static(if product.certified { "true" } else { "false" }));
    headers.insert(NOTICE, HeaderValue::from_static(product.notice.name()));
}

impl Additions {
    /// The metrics label of a document: `real`, a dry run, or a replay.
    fn kind(&self, real: &'static str, decision: &Decision) -> &'static str {
        match (self.dry_run, decision.replayed) {
            (true, _) => "dry_run",
            (false, true) => "replayed",
            (false, false) => real,
        }
    }

    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let (asked_dry, asked_key) =
            (headers::single(headers, &DRY_RUN)?, headers::single(headers, &IDEMPOTENCY_KEY)?);
        let dry_run = match asked_dry {
            Some(b"true") => true,
            None | Some(b"false") => false,
            Some(_) => {
                return Err(ApiError::invalid(Text::fixed(
                    "Seoham-Dry-Run: true 또는 false여야 합니다",
                    "Seoham-Dry-Run: must be true or false",
                )));
            }
        };
        let key = match asked_key {
            None => None,
            Some(key) => {
                let key = std::str::from_utf8(key).ok().and_then(IdempotencyKey::parse);
                Some(key.ok_or_else(|| {
                    ApiError::invalid(Text::fixed(
                        "Idempotency-Key: 출력 가능한 ASCII 문자 1~64자여야 합니다",
                        "Idempotency-Key: must be 1 to 64 printable ASCII characters",
                    ))
                })?)
            }
        };
        let asked = key.is_some() || asked_dry.is_some();
        Ok(Self { dry_run, key, asked })
    }

    /// The injected fault for a send of these documents; none for a dry run.
    fn trouble(
        &self,
        gateway: &Gateway,
        institution: InstitutionId,
        body: &[u8],
        items: &[ReadItem<'_>],
        context: CheckContext,
    ) -> Trouble {
        if self.dry_run { Trouble::default() } else { gateway.trouble(institution, body, items, context) }
    }

    /// Whether decisions are stored and recalled.
    fn remembers(&self) -> bool {
        self.key.is_some() && !self.dry_run
    }

    /// Adds the headers that the request asked for.
    fn answer(&self, mut answer: Response) -> Response {
        if self.asked {
            let (name, value) = ADDITIONS;
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}
