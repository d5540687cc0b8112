//! Institutions' webhooks: trying a receiver, and the task that serves them in the delivery role.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_events::{ANSWER_TIME, WebhookServer};
use seoham_gateway::{PingFailure, WebhookPings};
use seoham_model::WebhookId;
use seoham_store::Store;
use seoham_webhook::{AddressGuard, Receivers, RefusedAddress};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// The receivers that the configuration allows.
pub(super) fn receivers(config: &Config) -> Result<Receivers> {
    let section = &config.webhooks;
    let allowed = section.allow_networks.iter().map(|text| {
        let network = text.parse().with_context(|| format!("webhooks.allow_networks: {text} is no network"));
        network.map_err(|error| anyhow!(error))
    });
    let authority = section
        .ca_file
        .as_ref()
        .map(|file| std::fs::read(file).with_context(|| format!("webhooks.ca_file: {}", file.display())));
    let guard = AddressGuard::new(allowed.collect::<Result<_>>()?);
    Receivers::new(guard, authority.transpose()?.as_deref(), ANSWER_TIME)
        .map_err(|_| anyhow!("webhooks.ca_file: must be a certificate in PEM"))
}

/// Tries receivers before their webhooks are registered.
pub(super) struct Pings(pub(super) Receivers);

#[async_trait]
impl WebhookPings for Pings {
    async fn ping(&self, url: &str, id: WebhookId, secret: &SecretString) -> Result<(), PingFailure> {
        self.0.check(url).map_err(|refused| match refused {
            RefusedAddress::Malformed => PingFailure::Malformed,
            RefusedAddress::NotHttps => PingFailure::NotHttps,
            RefusedAddress::NotPublic => PingFailure::NotPublic,
        })?;
        let body = json!({ "type": "ping", "webhook_id": id }).to_string().into_bytes();
        let answer = self.0.post(url, std::slice::from_ref(secret), &format!("{id}-ping"), body).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(PingFailure::Answered(answer.status.as_u16())),
            Err(_) => Err(PingFailure::NoAnswer),
        }
    }
}

/// The task that serves webhooks.
pub(super) struct WebhookTask {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl WebhookTask {
    /// Starts serving on the runtime `bulk`.
    pub(super) fn start(store: &Arc<dyn Store>, receivers: Receivers, bulk: &Handle) -> Self {
        let stop = CancellationToken::new();
        let server = WebhookServer::new(store.clone(), receivers);
        Self { serving: bulk.spawn(server.run(stop.clone())), stop }
    }

    /// Begins no more deliveries.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn ended(self) {
        let _ = self.serving.await;
    }
}
