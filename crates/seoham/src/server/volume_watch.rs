//! The task that monitors announced volumes, beside the worker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use seoham_operator::{VolumeWatch, VolumeWatchOptions};
use seoham_store::Store;
use seoham_vault::webhook_secret_is_sound;
use seoham_webhook::{SetupError, SignedPost, SignedPostOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Timeout of one alert.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A running monitor.
pub(super) struct VolumeWatchTask {
    stop: CancellationToken,
    watch: JoinHandle<()>,
}

impl VolumeWatchTask {
    /// Starts monitoring on the current runtime.
    pub(super) fn start(config: &Config, store: &Arc<dyn Store>) -> Result<Self> {
        let stop = CancellationToken::new();
        let watch = VolumeWatch::new(VolumeWatchOptions {
            store: store.clone(),
            documents_per_day: config.volume.documents_per_day,
            webhook: webhook(config)?,
        });
        let watch = tokio::spawn(watch.run(stop.clone()));
        Ok(Self { stop, watch })
    }

    /// Stops monitoring. An alert that is being sent is abandoned and sent again after the next start.
    pub(super) fn stop(&self) {
        self.stop.cancel();
        self.watch.abort();
    }

    pub(super) async fn ended(self) {
        let _ = self.watch.await;
    }
}

/// The configured receiver of alerts, if any.
pub(super) fn webhook(config: &Config) -> Result<Option<SignedPost>> {
    let Some(url) = &config.volume.webhook_url else { return Ok(None) };
    let Some(secret) = config.volume.webhook_secret.clone().filter(webhook_secret_is_sound) else {
        bail!("volume.webhook_secret: alerts need a signing secret, base64 of at least 24 bytes");
    };
    let options = SignedPostOptions { url: url.clone(), secret, timeout: TIMEOUT };
    SignedPost::new(&options).map(Some).map_err(|error| match error {
        SetupError::Secret => anyhow!("volume.webhook_secret: must be base64"),
        SetupError::Client => anyhow!("volume.webhook_url: must be an absolute http(s) URL"),
    })
}
