//! The demo as an institution: the calls of the contract, over HTTP.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use reqwest::{RequestBuilder, Url};
use seoham_model::UnixSeconds;
use serde::Deserialize;
use serde_json::{Value, json};

use super::journal::Sent;
use super::setup::Institution;
use crate::server::Server;

/// Ids in one status query.
const STATUS_MAX: usize = 100;

pub(super) struct Client {
    http: reqwest::Client,
    api: String,
    bulk: String,
    access_token: String,
    contract_uuid: String,
}

/// What the demo looks at in a status.
#[derive(Clone, Deserialize)]
pub(super) struct Status {
    pub(super) doc_box_status: String,
    pub(super) user_notified_at: Option<i64>,
}

impl Client {
    pub(super) fn new(server: &Server, institution: &Institution) -> Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().build()?,
            api: server.addresses.api.clone().unwrap_or_default(),
            bulk: server.addresses.bulk.clone().unwrap_or_default(),
            access_token: institution.access_token.clone(),
            contract_uuid: institution.contract_uuid.clone(),
        })
    }

    /// Sends documents, each already in JSON; gives their verdicts.
    pub(super) async fn send(&self, documents: &[String]) -> Result<Vec<Sent>> {
        #[derive(Deserialize)]
        struct Reply {
            documents: Vec<Sent>,
        }
        let body = format!(r#"{{"documents":[{}]}}"#, documents.join(","));
        let request = self.http.post(format!("{}/v1/documents/bulk", self.bulk));
        let reply: Reply = serde_json::from_value(self.call(with_json(request, body)).await?)?;
        Ok(reply.documents)
    }

    /// The statuses of all that was accepted, by document.
    pub(super) async fn statuses(&self, sent: &[Sent]) -> Result<BTreeMap<String, Status>> {
        let mut statuses = BTreeMap::new();
        let ids: Vec<&str> = sent.iter().filter_map(|s| s.document_binder_uuid.as_deref()).collect();
        for ids in ids.chunks(STATUS_MAX) {
            let request = self.http.post(format!("{}/v1/documents/bulk/status", self.bulk));
            let body = json!({ "document_binder_uuids": ids }).to_string();
            let reply = self.call(with_json(request, body)).await?;
            for (id, document) in ids.iter().zip(reply["documents"].as_array().context("no documents")?) {
                let status = serde_json::from_value(document["status_data"].clone());
                statuses.insert((*id).to_owned(), status.with_context(|| format!("the status of {id}"))?);
            }
        }
        Ok(statuses)
    }

    /// The server's time.
    pub(super) async fn now(&self) -> Result<UnixSeconds> {
        self.advance_clock(0).await
    }

    /// Moves the server's clock forward.
    pub(super) async fn advance_clock(&self, seconds: u32) -> Result<UnixSeconds> {
        let request = self.http.post(format!("{}/sandbox/v1/clock", self.api));
        let body = json!({ "advance_seconds": seconds }).to_string();
        let reply = self.call(with_json(request, body)).await?;
        reply["now"].as_i64().map(UnixSeconds).context("no time")
    }

    /// The recipient opens a document; gives the one-time token that they arrive with.
    pub(super) async fn open(&self, id: &str) -> Result<String> {
        let request = self.http.post(format!("{}/sandbox/v1/documents/{id}/open", self.api));
        let reply = self.call(request).await?;
        let url = Url::parse(reply["redirect_url"].as_str().context("no redirect")?)?;
        let token = url.query_pairs().find(|(name, _)| name == "token");
        token.map(|(_, token)| token.into_owned()).context("no token")
    }

    /// The institution's page verifies the token.
    pub(super) async fn verify(&self, id: &str, token: &str) -> Result<()> {
        self.call(self.http.get(format!("{}/v1/documents/{id}/tokens/{token}", self.api))).await.map(drop)
    }

    /// The institution reports its page as shown.
    pub(super) async fn mark_read(&self, id: &str) -> Result<()> {
        let body = json!({ "document": { "is_detail_read": true } }).to_string();
        let request = self.http.post(format!("{}/v1/documents/{id}", self.api));
        self.call(with_json(request, body)).await.map(drop)
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value> {
        let request = request.bearer_auth(&self.access_token).header("contract-uuid", &self.contract_uuid);
        let response = request.send().await.context("the server does not answer")?;
        let status = response.status();
        let body = response.bytes().await?;
        let value: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        if !status.is_success() {
            bail!("{status}: {}", value["error_message"].as_str().unwrap_or("no reason given"));
        }
        Ok(value)
    }
}

fn with_json(request: RequestBuilder, body: String) -> RequestBuilder {
    request.header("content-type", "application/json").body(body)
}
