//! The TLS certificate, read again at SIGHUP and when its files have changed, so that a renewal needs no restart.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum_server::tls_rustls::RustlsConfig;
use seoham_vault::require_private;
use tokio::signal::unix::{SignalKind, signal};

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// A certificate with its key, as they were last read.
#[derive(Clone)]
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
}

impl Certificate {
    /// Reads both; a key that others can read is refused.
    pub(crate) async fn read(certificate: PathBuf, key: PathBuf) -> Result<Self> {
        require_private(&key)?;
        let loaded = RustlsConfig::from_pem_file(&certificate, &key).await;
        let config =
            loaded.with_context(|| format!("TLS from {} and {}", certificate.display(), key.display()))?;
        Ok(Self { certificate, key, config })
    }

    /// What listeners serve with: it changes under them.
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

    /// When each file was last written, as far as that can be told.
    fn written(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.certificate, &self.key].map(|path| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        })
    }
}

/// Reads the `certificate` again, if there is one, at SIGHUP and when it has changed, as long as the process
/// lives. Without one SIGHUP changes nothing, and does not end the process either.
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
            // Half of a pair that is being replaced does not fit; the next look finds both.
            if asked || written.as_ref() != Some(&now) {
                certificate.read_again().await;
                written = Some(now);
            }
        }
    });
    Ok(())
}
