//! One HTTP exchange with a platform, and its log entry.

use std::time::{Duration, Instant, SystemTime};

use axum::http::HeaderMap;
use axum::http::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::token::is_access_token;

use crate::exchange::{Call, Entry, Kind, RequestId};

/// No response of the contract comes near this: even a hundred refusals of 500 characters are smaller.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The timeouts of an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) connect: Duration,
    pub(crate) total: Duration,
}

/// Sends requests to a platform. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    token: SecretString,
}

impl Transport {
    /// `None` if the token is not a well-formed access token (SPEC 2).
    pub(crate) fn new(token: SecretString, times: Times) -> Result<Option<Self>, reqwest::Error> {
        if !is_access_token(token.expose_secret()) {
            return Ok(None);
        }
        let http = reqwest::Client::builder()
            .timeout(times.total)
            .connect_timeout(times.connect)
            // Following a redirect could leak the access token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Some(Self { http, token }))
    }

    pub(crate) fn get(&self, url: &str) -> RequestBuilder {
        self.http.get(url)
    }

    pub(crate) fn post(&self, url: &str) -> RequestBuilder {
        self.http.post(url)
    }

    /// Sends a request with the access token and reads the response.
    pub(crate) async fn exchange(&self, request: RequestBuilder) -> Exchange {
        let started = Instant::now();
        let answered = request.bearer_auth(self.token.expose_secret()).send().await;
        let (mut status, mut request_id) = (None, None);
        if let Ok(response) = &answered {
            status = Some(response.status().as_u16());
            let id = response.headers().get("x-request-id").and_then(|v| v.to_str().ok());
            request_id = id.and_then(RequestId::parse);
        }
        let answer = match answered {
            Ok(response) => Answer::read(response).await,
            Err(error) => Err(error),
        };
        Exchange { status, request_id, took: started.elapsed(), answer: answer.map_err(|e| NoAnswer::of(&e)) }
    }
}

/// A finished exchange.
pub(crate) struct Exchange {
    pub(crate) status: Option<u16>,
    request_id: Option<RequestId>,
    took: Duration,
    pub(crate) answer: Result<Answer, NoAnswer>,
}

impl Exchange {
    /// Its log entry.
    pub(crate) fn entry(&self, call: Call) -> Entry {
        let outcome = self.answer.as_ref().err().map_or("answered", |no_answer| no_answer.cause);
        let mut entry = Entry::new(Kind::Platform, outcome).status(self.status);
        (entry.method, entry.path) = (Some(call.method), Some(call.path));
        entry.request_id.clone_from(&self.request_id);
        entry.ms = u64::try_from(self.took.as_millis()).ok();
        entry
    }
}

/// Why there is no response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoAnswer {
    /// In one word. The error itself contains the address, which can contain a token.
    pub(crate) cause: &'static str,
    /// The request certainly did not reach the platform.
    pub(crate) never_sent: bool,
}

impl NoAnswer {
    fn of(error: &reqwest::Error) -> Self {
        Self { cause: error_cause(error), never_sent: error.is_connect() || error.is_builder() }
    }
}

/// A complete response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A body that is too long is truncated, and is then not valid JSON.
    async fn read(mut response: Response) -> Result<Self, reqwest::Error> {
        let mut body = Vec::new();
        while body.len() < ANSWER_BYTES_MAX
            && let Some(piece) = response.chunk().await?
        {
            body.extend_from_slice(&piece);
        }
        Ok(Self { status: response.status(), headers: response.headers().clone(), body })
    }

    /// The delay that the platform requests: in seconds, or as a date, which a proxy in between may send.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => Some(
                httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
            ),
        }
    }
}

/// The cause of a failure without a response, in one word.
pub(crate) fn error_cause(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "broken_off"
    }
}
