//! A proxy between an institution and the platform. It loses replies, or hides the platform's extensions beyond the
//! first sections of the contract.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rand::RngExt;

/// The proxy's behaviour.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    /// On average, one in this many replies is lost after the platform sent it; 0 loses none.
    pub(crate) loses_one_in: u32,
    /// Additional headers are removed, in both directions: a server with only SPEC 1 to 7.
    pub(crate) plain: bool,
}

struct Inner {
    upstream: Mutex<String>,
    manner: Mutex<Manner>,
    http: reqwest::Client,
}

/// A running proxy. Its address stays the same when the platform behind it changes.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Proxy {
    pub(crate) async fn to(upstream: &str, manner: Manner) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            upstream: Mutex::new(upstream.to_owned()),
            manner: Mutex::new(manner),
            http: crate::harness::http(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    pub(crate) fn lead_to(&self, upstream: &str) {
        upstream.clone_into(&mut self.inner.upstream.lock().unwrap());
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.inner.manner.lock().unwrap() = manner;
    }
}

async fn pass(State(proxy): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let manner = *proxy.manner.lock().unwrap();
    let upstream = proxy.upstream.lock().unwrap().clone();
    let body = to_bytes(body, 4 * 1024 * 1024).await.unwrap_or_default();
    let mut headers = parts.headers;
    headers.remove("host");
    if manner.plain {
        take_out_additions(&mut headers);
    }
    let url = format!("{upstream}{}", parts.uri);
    let answer = proxy.http.request(parts.method, url).headers(headers).body(body).send().await;
    let Ok(answer) = answer else { return lost() };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let Ok(bytes) = answer.bytes().await else { return lost() };
    if manner.loses_one_in > 0 && rand::rng().random_range(0..manner.loses_one_in) == 0 {
        return lost();
    }
    if manner.plain {
        take_out_additions(&mut headers);
    }
    headers.remove("transfer-encoding");
    (status, headers, bytes).into_response()
}

fn take_out_additions(headers: &mut HeaderMap) {
    headers.remove("idempotency-key");
    let additional: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with("seoham-")).cloned().collect();
    for name in additional {
        headers.remove(name);
    }
}

/// A truncated reply: the connection breaks in the middle of it.
fn lost() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
    (StatusCode::OK, [("content-length", "1000")], Body::from_stream(broken)).into_response()
}
