//! The platform's calls, by the contract alone: verifying a token and reporting a read (SPEC 7).

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use secrecy::SecretString;
use seoham_model::BinderId;
use serde::Deserialize;

use super::{Limits, StartError, base};
use crate::client::transport::{Answer, Times, Transport};
use crate::exchange::{Call, Entry, VisitId};

/// Requests the external id in the response; a platform that does not know the header ignores it.
const ASK_EXTERNAL: &str = "seoham-external-document";

#[derive(Clone)]
pub(super) struct Platform {
    transport: Transport,
    base: String,
}

/// The platform's data about a verified token.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Verified {
    pub(super) authenticated_at: Option<i64>,
    pub(super) payload: Option<String>,
    /// Only from a platform that supports the header.
    pub(super) external_document_uuid: Option<String>,
}

/// The result of a verification.
pub(super) enum Verdict {
    Verified(Verified),
    /// Used before or expired.
    Spent,
    /// The document has no such token.
    Unknown,
    /// Unknown: no response, or one that the contract does not define.
    Failed,
}

/// The result of a read report.
pub(super) enum Reported {
    Taken,
    /// Permanently: a retry would change nothing.
    Refused,
    /// Retry, not before the delay that the platform requested.
    Later(Option<Duration>),
}

impl Platform {
    pub(super) fn new(url: &str, token: SecretString, limits: Limits) -> Result<Self, StartError> {
        let base = base("platform", url)?;
        let times = Times { connect: limits.connect, total: limits.platform };
        let transport = Transport::new(token, times)?.ok_or(StartError::AccessToken)?;
        Ok(Self { transport, base })
    }

    /// Verifies `token`, which uses it up, and returns the exchange's log entry.
    pub(super) async fn verify(&self, document: BinderId, token: &str, visit: &VisitId) -> (Verdict, Entry) {
        let url = format!("{}/v1/documents/{document}/tokens/{token}", self.base);
        let request = self.transport.get(&url).header(ASK_EXTERNAL, "true");
        let (answer, mut entry) = self.exchange(request, Call::VERIFY, document, visit).await;
        let verdict = match answer {
            Some(answer) => match answer.status {
                StatusCode::OK => match serde_json::from_slice(&answer.body) {
                    Ok(verified) => Verdict::Verified(verified),
                    Err(_) => Verdict::Failed,
                },
                StatusCode::BAD_REQUEST => Verdict::Spent,
                StatusCode::NOT_FOUND => Verdict::Unknown,
                _ => Verdict::Failed,
            },
            None => Verdict::Failed,
        };
        entry.outcome = match verdict {
            Verdict::Verified(_) => "verified",
            Verdict::Spent => "spent",
            Verdict::Unknown => "unknown",
            Verdict::Failed if entry.status.is_some() => "unexpected",
            Verdict::Failed => entry.outcome,
        };
        (verdict, entry)
    }

    /// Reports that the page was shown, and returns the exchange's log entry.
    pub(super) async fn report_read(&self, document: BinderId, visit: &VisitId) -> (Reported, Entry) {
        let url = format!("{}/v1/documents/{document}", self.base);
        let body = serde_json::json!({ "document": { "is_detail_read": true } });
        let (answer, mut entry) =
            self.exchange(self.transport.post(&url).json(&body), Call::READ, document, visit).await;
        let Some(answer) = answer else { return (Reported::Later(None), entry) };
        let (reported, outcome) = match answer.status.as_u16() {
            200..300 => (Reported::Taken, "taken"),
            // The institution can fix a revoked or wrong access token, so keep trying.
            401 | 408 | 425 | 429 => (Reported::Later(answer.retry_after()), "refused_for_now"),
            400..500 => (Reported::Refused, "refused"),
            _ => (Reported::Later(answer.retry_after()), "failed"),
        };
        entry.outcome = outcome;
        (reported, entry)
    }

    /// Performs one exchange with the platform; returns its log entry too.
    async fn exchange(
        &self,
        request: RequestBuilder,
        call: Call,
        document: BinderId,
        visit: &VisitId,
    ) -> (Option<Answer>, Entry) {
        let exchange = self.transport.exchange(request).await;
        let entry = exchange.entry(call).of(document, visit);
        (exchange.answer.ok(), entry)
    }
}
