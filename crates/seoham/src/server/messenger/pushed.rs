//! Reports that providers push, for the gateway.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use seoham_delivery::{Lines, Pushed, record_reported};
use seoham_gateway::{Push, PushedReports};
use seoham_store::Store;

pub(crate) struct Pushes {
    pub(crate) lines: Lines,
    pub(crate) store: Arc<dyn Store>,
}

#[async_trait]
impl PushedReports for Pushes {
    async fn take(&self, provider: &str, headers: &HeaderMap, body: &[u8]) -> Push {
        let Some(line) = self.lines.named(provider) else { return Push::UnknownProvider };
        let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        match line.provider.pushed(&header, body) {
            // The workers ask for the reports of all messages soon after they were sent.
            Pushed::Ask => Push::Taken,
            Pushed::Unauthorized => Push::Unauthorized,
            Pushed::Malformed => Push::Malformed,
            Pushed::Reports(reported) => match record_reported(&*self.store, provider, reported).await {
                Ok(()) => Push::Taken,
                Err(error) => {
                    tracing::warn!(%error, "could not record the messenger's reports");
                    Push::Failed
                }
            },
        }
    }
}
