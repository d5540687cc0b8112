//! A landing gateway on a socket: what `seoham landing` and the demo have in common.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;
use axum_server::tls_rustls::RustlsConfig;
use seoham_kit::landing::Landing;

use crate::server::connections::{ConnectionLimits, Connections};
use crate::server::listeners::{Running, Socket};

/// Browsers are many, and several people can share an address.
const CONNECTIONS: ConnectionLimits = ConnectionLimits { all: 4_096, per_address: None };
/// How long pages and reports that are under way may take once the process is told to end.
const ENDING: Duration = Duration::from_secs(10);

/// A gateway that is up.
pub(crate) struct LandingServer {
    /// Where browsers come in.
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

    /// Reads that are still to be reported from before.
    pub(crate) fn pending_reads(&self) -> usize {
        self.landing.opened().pending.len()
    }

    /// Takes no more; what is under way is finished and reported.
    pub(crate) async fn close(self) -> Result<()> {
        self.running.stop(ENDING);
        self.running.ended().await?;
        self.landing.stop(ENDING).await;
        Ok(())
    }
}
