//! A client of the admin listener (SPEC 11).

use anyhow::{Context, Result, bail};
use reqwest::header::ACCEPT_LANGUAGE;
use reqwest::{Method, RequestBuilder};
use seoham_institution_cli::terminal::localized;
use serde_json::{Value, json};

/// A client of the admin listener.
pub(crate) struct AdminClient {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl AdminClient {
    /// A client; nothing is sent yet.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        let client = reqwest::Client::builder().build().context("HTTP client")?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// Sets which payload members the box shows under a contract.
    pub(crate) async fn set_card(
        &self,
        contract: &str,
        amount: Option<&str>,
        due: Option<&str>,
    ) -> Result<Value> {
        let card = json!({ "amount": amount, "due": due });
        self.put(&format!("contracts/{contract}/card"), |request| request.json(&card)).await
    }

    /// Adds or updates people.
    pub(crate) async fn import(&self, body: reqwest::Body) -> Result<Value> {
        let request = self.request(Method::POST, "people").header("content-type", "application/x-ndjson");
        self.send(request.body(body)).await
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(
        &self,
        path: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value> {
        self.send(with(self.request(Method::PUT, path))).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `PATCH`.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// All pages of a list, whose entries are in the member `name`.
    pub(super) async fn all_pages(&self, path: &str, name: &str) -> Result<Value> {
        let mut all = Vec::new();
        let mut page_path = path.to_owned();
        loop {
            let mut page = self.get(&page_path).await?;
            if let Some(Value::Array(found)) = page.get_mut(name).map(Value::take) {
                all.extend(found);
            }
            match page.get("next_after").and_then(Value::as_str) {
                Some(after) => page_path = format!("{path}?after={after}"),
                None => return Ok(json!({ name: all })),
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/admin/v1/{path}", self.url));
        // The server's messages are displayed as received, so request the user's language.
        request.bearer_auth(&self.token).header(ACCEPT_LANGUAGE, localized("ko", "en"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value> {
        let response = request.send().await.with_context(|| {
            localized("운영자 API가 응답하지 않습니다", "the admin listener does not answer")
        })?;
        let status = response.status();
        let body = response.bytes().await.with_context(|| {
            localized("운영자 API와의 연결이 끊어졌습니다", "the admin listener broke off")
        })?;
        let value: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        if !status.is_success() {
            let message = value.get("error_message").and_then(Value::as_str);
            let message =
                message.map_or_else(|| localized("이유를 알 수 없습니다", "no reason given"), str::to_owned);
            bail!("{status}: {message}");
        }
        Ok(value)
    }
}
