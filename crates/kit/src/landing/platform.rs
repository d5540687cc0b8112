//! The platform, by its contract alone: verifying a token and reporting a read (SPEC 7).

use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::BinderId;
use seoham_model::token::is_access_token;
use serde::Deserialize;

use super::{Limits, StartError, base};
use crate::exchange::{Call, Entry, Kind, RequestId, VisitId};

/// No answer that the contract knows comes near.
const ANSWER_MAX: usize = 64 * 1024;
/// Asks for the external id in the answer; a platform that does not know the header ignores it.
const ASK_EXTERNAL: &str = "seoham-external-document";

#[derive(Clone)]
pub(super) struct Platform {
    client: reqwest::Client,
    base: String,
    token: SecretString,
}

/// What the platform says of a verified token.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Verified {
    pub(super) authenticated_at: Option<i64>,
    pub(super) payload: Option<String>,
    /// Only from a platform that was asked for it and knows the question.
    pub(super) external_document_uuid: Option<String>,
}

/// How a verification came out.
pub(super) enum Verdict {
    Verified(Verified),
    /// Used before or expired.
    Spent,
    /// No such token of this document.
    Unknown,
    /// Nobody knows: no answer, or none that the contract has.
    Failed,
}

/// How the report of a read came out.
pub(super) enum Reported {
    Taken,
    /// For good: repeating it would change nothing.
    Refused,
    /// To be tried again, not before the pause that the platform asked for.
    Later(Option<Duration>),
}

impl Platform {
    pub(super) fn new(url: &str, token: SecretString, limits: Limits) -> Result<Self, StartError> {
        if !is_access_token(token.expose_secret()) {
            return Err(StartError::AccessToken);
        }
        let client = reqwest::Client::builder()
            .timeout(limits.platform)
            .connect_timeout(limits.connect)
            // A redirect would carry the access token to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, base: base("platform", url)?, token })
    }

    /// Verifies `token`, which uses it up, and gives the exchange's record.
    pub(super) async fn verify(&self, document: BinderId, token: &str, visit: &VisitId) -> (Verdict, Entry) {
        let url = format!("{}/v1/documents/{document}/tokens/{token}", self.base);
        let request = self.client.get(url).header(ASK_EXTERNAL, "true");
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

    /// Reports that the page was shown, and gives the exchange's record.
    pub(super) async fn report_read(&self, document: BinderId, visit: &VisitId) -> (Reported, Entry) {
        let url = format!("{}/v1/documents/{document}", self.base);
        let body = serde_json::json!({ "document": { "is_detail_read": true } });
        let (answer, mut entry) =
            self.exchange(self.client.post(url).json(&body), Call::READ, document, visit).await;
        let Some(answer) = answer else { return (Reported::Later(None), entry) };
        let (reported, outcome) = match answer.status.as_u16() {
            200..300 => (Reported::Taken, "taken"),
            // A revoked or mistaken access token is put right by the institution, not by giving up.
            401 | 408 | 425 | 429 => (Reported::Later(retry_after(&answer.headers)), "refused_for_now"),
            400..500 => (Reported::Refused, "refused"),
            _ => (Reported::Later(retry_after(&answer.headers)), "failed"),
        };
        entry.outcome = outcome;
        (reported, entry)
    }

    async fn exchange(
        &self,
        request: RequestBuilder,
        call: Call,
        document: BinderId,
        visit: &VisitId,
    ) -> (Option<Answer>, Entry) {
        let started = Instant::now();
        let answered = request.bearer_auth(self.token.expose_secret()).send().await;
        let mut entry = Entry::new(Kind::Platform, "answered").of(document, visit);
        (entry.method, entry.path) = (Some(call.method), Some(call.path));
        if let Ok(response) = &answered {
            entry.status = Some(response.status().as_u16());
            let id = response.headers().get("x-request-id").and_then(|v| v.to_str().ok());
            entry.request_id = id.and_then(RequestId::parse);
        }
        let answer = match answered {
            Ok(response) => Answer::read(response).await,
            Err(error) => Err(error),
        };
        entry.ms = u64::try_from(started.elapsed().as_millis()).ok();
        match answer {
            Ok(answer) => (Some(answer), entry),
            Err(error) => {
                entry.outcome = word(&error);
                (None, entry)
            }
        }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// The whole answer; a body that is too long is cut, and is then no JSON.
    async fn read(mut response: Response) -> Result<Self, reqwest::Error> {
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX
            && let Some(piece) = response.chunk().await?
        {
            body.extend_from_slice(&piece);
        }
        Ok(Self { status: response.status(), headers: response.headers().clone(), body })
    }
}

/// What went wrong without an answer, in one word. The error itself names the address, which can
/// carry a token.
pub(super) fn word(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "broken_off"
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
