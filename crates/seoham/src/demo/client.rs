//! The demo's institution client, built on the kit.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use reqwest::Url;
use seoham_kit::client::{Client as Kit, SendOptions, SendResult, StatusData};
use seoham_model::bulk::ITEMS_MAX;

use super::setup::Institution;
use crate::server::Server;

/// An institution's client.
pub(super) struct Client {
    pub(super) kit: Kit,
}

impl Client {
    pub(super) fn new(server: &Server, institution: &Institution) -> Result<Self> {
        let at = &server.addresses;
        let api = at.api.as_deref().context("the api listener")?;
        let kit = Kit::builder(api)
            .bulk_url(at.bulk.as_deref().unwrap_or(api))
            .contract_uuid(&institution.contract_uuid)
            .build(institution.access_token.clone().into())?;
        Ok(Self { kit })
    }

    /// Sends documents in JSON, some of them broken on purpose. Returns their verdicts.
    pub(super) async fn send(&self, documents: &[String]) -> Result<Vec<SendResult>> {
        Ok(self.kit.send_json(documents, &SendOptions::default()).await?)
    }

    /// The statuses of all accepted documents, by document.
    pub(super) async fn statuses(&self, sent: &[SendResult]) -> Result<BTreeMap<String, StatusData>> {
        let mut statuses = BTreeMap::new();
        let ids: Vec<&str> = sent.iter().filter_map(|s| s.document_binder_uuid.as_deref()).collect();
        for ids in ids.chunks(ITEMS_MAX) {
            for result in self.kit.statuses(ids).await? {
                let id = result.document_binder_uuid;
                let status = result.status_data.with_context(|| format!("the status of {id}"))?;
                statuses.insert(id, status);
            }
        }
        Ok(statuses)
    }

    /// Opens a document as its recipient. Returns the one-time token of the redirect.
    pub(super) async fn open(&self, id: &str) -> Result<String> {
        let url = Url::parse(&self.kit.sandbox().open(id).await?)?;
        let token = url.query_pairs().find(|(name, _)| name == "token");
        token.map(|(_, token)| token.into_owned()).context("no token")
    }
}
