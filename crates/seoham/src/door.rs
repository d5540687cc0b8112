//! A landing gateway on a socket: what `seoham landing` and the demo have in common.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result};
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use seoham_kit::landing::Landing;
use tokio::task::JoinHandle;

/// How long a browser may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long a request's head may be, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Requests under way at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// How long pages and reports that are under way may take once the process is told to end.
const ENDING: Duration = Duration::from_secs(10);

/// A gateway that is up.
pub(crate) struct Door {
    /// Where browsers come in.
    pub(crate) url: String,
    landing: Landing,
    handle: Handle<SocketAddr>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Door {
    /// Serves `landing` on a bound socket.
    pub(crate) fn open(landing: Landing, listener: TcpListener, tls: Option<RustlsConfig>) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let service = landing.router().into_make_service_with_connect_info::<SocketAddr>();
        let handle = Handle::new();
        // The last piece of a page leaves by itself, and is not to wait for the browser to
        // acknowledge the one before: that alone would be 40 ms.
        let serving = if let Some(tls) = tls {
            let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
            let server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle.clone());
            let mut server = server.first_request_timeout(HEAD_TIME);
            configure(server.http_builder());
            tokio::spawn(server.serve(service))
        } else {
            let server =
                axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new()).handle(handle.clone());
            let mut server = server.first_request_timeout(HEAD_TIME);
            configure(server.http_builder());
            tokio::spawn(server.serve(service))
        };
        Ok(Self { url, landing, handle, serving })
    }

    /// Reads that are still to be reported from before.
    pub(crate) fn pending_reads(&self) -> usize {
        self.landing.opened().pending.len()
    }

    /// Takes no more; what is under way is finished and reported.
    pub(crate) async fn close(self) -> Result<()> {
        self.handle.graceful_shutdown(Some(ENDING));
        self.serving.await.context("the listener's task broke off")?.context("the listener broke off")?;
        self.landing.stop(ENDING).await;
        Ok(())
    }
}

fn configure(builder: &mut Builder<TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(Some(Duration::from_secs(30)));
}
