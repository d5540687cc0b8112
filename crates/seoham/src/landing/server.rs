//! A landing gateway on a socket, as used by `seoham landing` and the demo.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;
use axum_server::tls_rustls::RustlsConfig;
use seoham_kit::landing::Landing;

use crate::server::connections::{ConnectionLimits, Connections};
use crate::server::listeners::{Running, Socket};

/// There are many browsers, and several people can share an address.
const CONNECTIONS: ConnectionLimits = ConnectionLimits { all: 4_096, per_address: None };
/// How long running pages and reports may take after the process is asked to stop.
const ENDING: Duration = Duration::from_secs(10);

/// A running gateway.
pub(crate) struct LandingServer {
    /// The address for browsers.
    pub(crate) url: String,
    landing: Landing,
    running: Running,
}

impl LandingServer {
    /// Serves `landing` on a bound socket.
    pub(crate) fn open(landing: Landing, listener: TcpListener, tls: Option<RustlsConfig>) -> Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let socket = Socket::of(listener, Connections::new("landing", CONNECTIONS))?;
        let url = format!("{scheme}://{}", socket.address);
        let running = socket.serve(landing.router(), tls, &tokio::runtime::Handle::current())?;
        Ok(Self { url, landing, running })
    }

    /// Number of reads from an earlier run that are not reported yet.
    pub(crate) fn pending_reads(&self) -> usize {
        self.landing.opened().pending.len()
    }

    /// Accepts no more connections; finishes and reports the running ones.
    pub(crate) async fn close(self) -> Result<()> {
        self.running.stop(ENDING);
        self.running.ended().await?;
        self.landing.stop(ENDING).await;
        Ok(())
    }
}
