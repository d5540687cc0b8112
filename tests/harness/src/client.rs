//! An institution's calls.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use super::{Server, eventually};

/// A client that follows no redirects and keeps no connections, so that calls are independent.
pub fn http() -> reqwest::Client {
    http_builder().build().unwrap()
}

/// The builder of such a client, with a provider of TLS.
pub fn http_builder() -> reqwest::ClientBuilder {
    static PROVIDER: LazyLock<()> = LazyLock::new(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    LazyLock::force(&PROVIDER);
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .tls_danger_accept_invalid_certs(true)
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Self { status, headers, body }
    }

    pub fn code(&self) -> &str {
        self.body["error_code"].as_str().unwrap_or("")
    }

    pub fn message(&self) -> &str {
        self.body["error_message"].as_str().unwrap_or("")
    }

    /// Asserts an error of SPEC 3.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        assert!(!self.message().is_empty() && self.message().chars().count() <= 500);
        assert_eq!(self.headers["content-type"], "application/json;charset=UTF-8");
        assert_eq!(self.body.as_object().unwrap().len(), 2, "{}", self.body);
    }
}

/// An institution.
#[derive(Clone)]
pub struct Client {
    pub api: String,
    pub bulk: String,
    pub id: String,
    pub token: String,
    pub token_id: String,
    pub contract: String,
}

impl Client {
    fn with_contract(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.token).header("Contract-Uuid", &self.contract)
    }

    /// `POST` to the bulk listener.
    pub fn bulk_request(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = http().post(format!("{}{path}", self.bulk));
        self.with_contract(request).header("Content-Type", "application/json").body(body)
    }

    /// `POST` to the api listener.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = http().post(format!("{}{path}", self.api));
        self.with_contract(request).header("Content-Type", "application/json").body(body.to_string())
    }

    /// `GET` from the api listener.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.with_contract(http().get(format!("{}{path}", self.api)))
    }

    /// Sends documents in bulk; returns their results.
    pub async fn send(&self, documents: &[Value]) -> Vec<Value> {
        let body = json!({ "documents": documents }).to_string();
        let answer = Answer::of(self.bulk_request("/v1/documents/bulk", body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["documents"].as_array().unwrap().clone()
    }

    /// The same institution at another server on its data, such as the one that is up after a restart.
    #[must_use]
    pub fn at(&self, server: &Server) -> Self {
        Self { api: server.url("api"), bulk: server.url("bulk"), ..self.clone() }
    }

    /// Sends documents that must all be accepted; returns their ids.
    pub async fn accepted(&self, documents: &[Value]) -> Vec<String> {
        let id = |result: &Value| match result["document_binder_uuid"].as_str() {
            Some(id) => id.to_owned(),
            None => panic!("accepted: {result}"),
        };
        self.send(documents).await.iter().map(id).collect()
    }

    /// Sends batches of a hundred documents until the server is gone; returns the acknowledged ids. Counts the
    /// acknowledged requests meanwhile.
    pub async fn send_until_gone(&self, requests: &AtomicUsize) -> Vec<String> {
        let (body, mut acknowledged) = (super::bulk(&super::documents(100)), Vec::new());
        loop {
            let Ok(answer) = self.bulk_request("/v1/documents/bulk", body.clone()).send().await else {
                return acknowledged;
            };
            if answer.status() != 200 {
                continue;
            }
            let Ok(body) = answer.json::<Value>().await else { return acknowledged };
            let results = body["documents"].as_array().unwrap();
            acknowledged
                .extend(results.iter().map(|r| r["document_binder_uuid"].as_str().unwrap().to_owned()));
            requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The status of one document.
    pub async fn status(&self, id: &str) -> Value {
        let answer = Answer::of(self.get(&format!("/v1/documents/{id}/status"))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// The statuses of documents, in bulk.
    pub async fn statuses(&self, ids: &[String]) -> Vec<Value> {
        let mut all = Vec::new();
        for ids in ids.chunks(100) {
            let body = json!({ "document_binder_uuids": ids }).to_string();
            let answer = Answer::of(self.bulk_request("/v1/documents/bulk/status", body)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            all.extend(answer.body["documents"].as_array().unwrap().iter().cloned());
        }
        all
    }

    /// Waits until a document has `status`; returns its status data.
    pub async fn until(&self, id: &str, status: &str) -> Value {
        eventually(&format!("{id} is {status}"), async || {
            Some(self.status(id).await).filter(|data| data["doc_box_status"] == status)
        })
        .await
    }

    /// Waits for the messenger's report.
    pub async fn until_notified(&self, id: &str) -> Value {
        eventually(&format!("{id} is notified"), async || {
            Some(self.status(id).await).filter(|data| data["user_notified_at"].is_i64())
        })
        .await
    }

    /// The recipient opens it; returns the redirect response.
    pub async fn open(&self, id: &str) -> Answer {
        Answer::of(self.post(&format!("/sandbox/v1/documents/{id}/open"), &Value::Null)).await
    }

    /// The recipient opens it; returns the token.
    pub async fn open_token(&self, id: &str) -> String {
        let answer = self.open(id).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let url = reqwest::Url::parse(answer.body["redirect_url"].as_str().unwrap()).unwrap();
        url.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned()
    }

    pub async fn verify(&self, id: &str, token: &str) -> Answer {
        Answer::of(self.get(&format!("/v1/documents/{id}/tokens/{token}"))).await
    }

    pub async fn mark_read(&self, id: &str) -> Answer {
        let body = json!({ "document": { "is_detail_read": true } });
        Answer::of(self.post(&format!("/v1/documents/{id}"), &body)).await
    }

    pub async fn sandbox(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.post(&format!("/sandbox/v1/{path}"), &body)).await
    }

    pub async fn advance(&self, seconds: u32) -> i64 {
        let answer = self.sandbox("clock", json!({ "advance_seconds": seconds })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["now"].as_i64().unwrap()
    }
}
