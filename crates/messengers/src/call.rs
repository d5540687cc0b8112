//! Calls to a provider's HTTP API: bounded in time and size, and honest about whether the provider may have the message.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{Pushed, Sent, Trouble};
use seoham_store::undelivered::Failure;
use serde::de::DeserializeOwned;

use crate::signature;

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// The largest answer that is read: that of ten thousand messages.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// How a provider is called.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The name of the provider in the configuration.
    pub name: String,
    /// The address of its API, without a slash at the end.
    pub url: String,
    /// How long one call may take in all.
    pub timeout: Duration,
    /// Calls at the same time.
    pub concurrent_calls: usize,
    /// It pushes its reports, which therefore are asked for later.
    pub pushes: bool,
}

impl CallOptions {
    /// When delivery reports are first asked for.
    pub(crate) fn asks_after(&self) -> Duration {
        if self.pushes { Duration::from_mins(1) } else { Duration::from_secs(5) }
    }
}

/// A client of one provider.
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) options: CallOptions,
}

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The request was not sent: no connection.
    NotSent,
    /// It was sent, or may have been.
    Lost,
}

impl Caller {
    /// A client; calls nothing yet. `None` without TLS, or if the address is no http(s) URL.
    pub(crate) fn new(options: CallOptions) -> Option<Self> {
        let client = Client::builder()
            .timeout(options.timeout)
            .connect_timeout(CONNECT_TIME)
            // A redirect would carry what is said to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .ok()?;
        let url = reqwest::Url::parse(&options.url).ok()?;
        matches!(url.scheme(), "http" | "https").then_some(Self { client, options })
    }

    /// The address of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.options.url.trim_end_matches('/'))
    }

    /// Makes a call and reads the answer.
    pub(crate) async fn call(&self, request: RequestBuilder) -> Result<Answer, NoAnswer> {
        let mut answer = request.send().await.map_err(|error| no_answer(&error))?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len() + chunk.len() > ANSWER_MAX {
                tracing::warn!(
                    provider = self.options.name,
                    "an answer of a messenger provider is too large"
                );
                return Err(NoAnswer::Lost);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, body })
    }

    /// Makes a call that changes nothing, and parses its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        let answer = self.call(request).await.map_err(|_| Trouble::of(Failure::Unreachable))?;
        if !answer.status.is_success() {
            return Err(answer.trouble());
        }
        answer.parse().ok_or_else(|| answer.trouble())
    }
}

impl Answer {
    /// The body as JSON, whatever type it claims to be; `None` if it is not that.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The failure in the provider's words: its status, and the code and text that most APIs name alike.
    pub(crate) fn trouble(&self) -> Trouble {
        let body: serde_json::Value = self.parse().unwrap_or_default();
        let places = [&body, &body["header"], &body["error"]];
        let find = |names: &[&str]| {
            let all = places.iter().flat_map(|place| names.iter().map(|name| &place[*name]));
            all.filter_map(text_of).find(|text| !text.is_empty()).unwrap_or_default()
        };
        let code = find(&["resultCode", "errorCode", "statusCode", "code"]);
        let words =
            find(&["resultMessage", "errorMessage", "message", "description", "statusName", "details"]);
        let status = self.status.as_u16();
        if code.is_empty() && words.is_empty() {
            return Trouble::of(Failure::Status(status));
        }
        Trouble::said(Failure::Status(status), &format!("{status} {code}"), &words)
    }

    /// What an answer that does not accept a whole call means for each of its messages. After a fault of the server it
    /// is unknown whether it has them. Mostly it does not when it is unavailable: so it counts where the provider cannot
    /// be asked.
    pub(crate) fn refusal(&self, can_be_asked: bool) -> Sent {
        let trouble = self.trouble();
        match self.status.as_u16() {
            503 if can_be_asked => Sent::Unknown { retry_after: self.retry_after, trouble },
            429 | 503 => Sent::NotNow { retry_after: self.retry_after, trouble },
            408 | 500..=599 => Sent::unknown(trouble),
            401 | 403 | 404 => Sent::Misconfigured(trouble),
            _ => Sent::NotNow { retry_after: self.retry_after, trouble },
        }
    }
}

/// What a call without an answer means for each of its messages.
pub(crate) fn unanswered(error: NoAnswer) -> Sent {
    let trouble = Trouble::of(Failure::Unreachable);
    match error {
        NoAnswer::NotSent => Sent::NotNow { retry_after: None, trouble },
        NoAnswer::Lost => Sent::unknown(trouble),
    }
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if error.is_connect() || error.is_builder() { NoAnswer::NotSent } else { NoAnswer::Lost }
}

/// A push whose header carries a fixed secret; an error says what becomes of one that cannot be believed or read.
pub(crate) fn signed_push<T: DeserializeOwned>(
    secret: Option<&SecretString>,
    given: Option<String>,
    body: &[u8],
) -> Result<T, Pushed> {
    let secret = secret.ok_or(Pushed::Ask)?;
    if !signature::is_secret(&given.unwrap_or_default(), secret.expose_secret()) {
        return Err(Pushed::Unauthorized);
    }
    serde_json::from_slice(body).map_err(|_| Pushed::Malformed)
}

/// A number or a text as text: providers send codes as either.
pub(crate) fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `Retry-After` in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_refusal_is_told_in_the_providers_words() {
        for (status, body, says) in [
            (
                400,
                r#"{"errorCode":"ValidationError","errorMessage":"to: 01000000001"}"#,
                "400 ValidationError to: …",
            ),
            (200, r#"{"header":{"resultCode":-1000,"resultMessage":"no appkey"}}"#, "200 -1000 no appkey"),
            (
                401,
                r#"{"error":{"errorCode":"200","message":"Authentication Failed"}}"#,
                "401 200 Authentication Failed",
            ),
        ] {
            assert_eq!(answer(status, body).trouble().said.as_deref(), Some(says));
        }
        assert_eq!(answer(502, "<html>").trouble(), Trouble::of(Failure::Status(502)));
    }

    #[test]
    fn a_refusal_of_a_call_says_whether_the_provider_may_have_it() {
        let of = |status| answer(status, "").refusal(true);
        assert!(matches!(of(503), Sent::Unknown { .. }), "its gateway may have forwarded it");
        assert!(matches!(answer(503, "").refusal(false), Sent::NotNow { .. }), "nothing could find that out");
        assert!([429, 400].map(of).iter().all(|sent| matches!(sent, Sent::NotNow { .. })));
        assert!([500, 502, 504, 408].map(of).iter().all(|sent| matches!(sent, Sent::Unknown { .. })));
        assert!([401, 403, 404].map(of).iter().all(|sent| matches!(sent, Sent::Misconfigured(_))));
    }
}
