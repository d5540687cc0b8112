//! The institution's application.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Response};
use futures_util::StreamExt;
use http_body::Body as _;
use url::Url;

use super::target::target;
use super::{Limits, StartError, base};
use crate::client::transport::error_cause;

pub(super) struct Upstream {
    client: reqwest::Client,
    /// Its path is the prefix of all others.
    base: Url,
    first_byte: Duration,
}

impl Upstream {
    pub(super) fn new(url: &str, limits: Limits) -> Result<Self, StartError> {
        let client = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .read_timeout(limits.first_byte)
            .redirect(reqwest::redirect::Policy::none())
            // The gateway forwards the browser's `Host`, which HTTP/2 cannot carry apart from the URI.
            .http1_only()
            .build()?;
        let base = Url::parse(&base("upstream", url)?).map_err(|_| StartError::Address("upstream"))?;
        Ok(Self { client, base, first_byte: limits.first_byte })
    }

    /// The address for a request; `None` if its path leads outside the application.
    pub(super) fn target(&self, path: &str, query: Option<&str>) -> Option<Url> {
        target(&self.base, path, query)
    }

    /// Forwards a request; returns the response once its head has arrived, or the cause of the failure in one
    /// word.
    pub(super) async fn call(
        &self,
        method: Method,
        target: Url,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<reqwest::Body>, &'static str> {
        let moved = Arc::new(Mutex::new(Instant::now()));
        let mut request = self.client.request(method, target).headers(headers);
        if !body.is_end_stream() {
            let moved = Arc::clone(&moved);
            let pieces = body.into_data_stream().inspect(move |_| {
                *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            });
            request = request.body(reqwest::Body::wrap_stream(pieces));
        }
        tokio::select! {
            answer = request.send() => answer.map(Response::from).map_err(|error| error_cause(&error)),
            () = still(&moved, self.first_byte) => Err("timeout"),
        }
    }
}

/// Completes when nothing has moved for `time`: a long upload is not a slow response.
async fn still(moved: &Mutex<Instant>, time: Duration) {
    loop {
        let until = *moved.lock().unwrap_or_else(PoisonError::into_inner) + time;
        if Instant::now() >= until {
            return;
        }
        tokio::time::sleep_until(until.into()).await;
    }
}
