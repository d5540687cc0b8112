//! The TLS certificate. Reloaded on SIGHUP and when its files change, so that a renewal needs no restart.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum_server::tls_rustls::RustlsConfig;
use seoham_vault::require_private;
use tokio::signal::unix::{SignalKind, signal};

/// How often to check whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A certificate with its key, as last loaded.
#[derive(Clone)]
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
}

impl Certificate {
    /// Loads both. Rejects a key that other users can read.
    pub(crate) async fn read(certificate: PathBuf, key: PathBuf) -> Result<Self> {
        require_private(&key)?;
        let loaded = RustlsConfig::from_pem_file(&certificate, &key).await;
        let config =
            loaded.with_context(|| format!("TLS from {} and {}", certificate.display(), key.display()))?;
        Ok(Self { certificate, key, config })
    }

    /// The configuration of listeners. A reload replaces its contents.
    pub(crate) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    async fn read_again(&self) {
        let read = async {
            require_private(&self.key)?;
            anyhow::Ok(self.config.reload_from_pem_file(&self.certificate, &self.key).await?)
        };
        match read.await {
            Ok(()) => tracing::info!("the TLS certificate was read again"),
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the TLS certificate could not be read again; the one before stays in use"
            ),
        }
    }

    /// The modification time and size of each file, if available.
    fn written(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        })
    }
}

/// Reloads `certificate`, if there is one, on SIGHUP and when its files change, as long as the process lives. Without
/// one, SIGHUP does nothing, and does not end the process either.
pub(crate) fn follow(certificate: Option<Certificate>) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut written = certificate.as_ref().map(Certificate::written);
        loop {
            let asked = tokio::select! {
                signal = hangup.recv() => signal.is_some(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let Some(certificate) = &certificate else { continue };
            let now = certificate.written();
            // During a replacement, certificate and key may not match; the next check loads both.
            if asked || written.as_ref() != Some(&now) {
                certificate.read_again().await;
                written = Some(now);
            }
        }
    });
    Ok(())
}
