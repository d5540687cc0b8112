//! Sockets: all bound before they are announced, with TLS wherever they are reachable from other machines, and closed
//! without interrupting requests.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::STRICT_TRANSPORT_SECURITY;
use axum::middleware::map_response;
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;

use super::Addresses;
use super::certificate::Certificate;
use super::connections::{ConnectionLimits, Connections, share_descriptors};
use crate::config::Config;

/// Timeout for a client to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Maximum size of a request's head, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The same for HTTP/2, hyper's default.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// Maximum number of concurrent requests on one HTTP/2 connection.
const STREAMS_MAX: u32 = 32;
/// Write buffer of one such request, in bytes, while its client does not read.
const STREAM_BUFFER_BYTES: usize = 32 * 1024;

/// Refuses to listen on anything but loopback without TLS.
pub(super) fn check_exposure(config: &Config) -> Result<()> {
    let listen = &config.listen;
    let protected = config.tls.certificate_file.is_some() || listen.behind_tls_proxy;
    let role = config.node.role;
    for (wanted, name, address) in [
        (role.takes_requests(), "api", listen.api),
        (role.takes_requests(), "bulk", listen.bulk),
        (role.shows_pages(), "web", listen.web),
        (true, "admin", listen.admin),
    ] {
        if wanted && !address.ip().is_loopback() && !protected {
            bail!(
                "listen.{name} = {address}: reachable from elsewhere without TLS; set tls.certificate_file and \
                 tls.key_file, or listen.behind_tls_proxy = true if a proxy terminates TLS"
            );
        }
    }
    Ok(())
}

/// The TLS certificate, if there is one.
pub(super) async fn tls(config: &Config) -> Result<Option<Certificate>> {
    match (&config.tls.certificate_file, &config.tls.key_file) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Certificate::read(certificate.clone(), key.clone()).await.map(Some),
        _ => bail!("tls: certificate_file and key_file must both be given"),
    }
}

/// The bound sockets of the process's role, not yet served.
pub(super) struct Bound {
    pub(super) api: Option<Socket>,
    pub(super) bulk: Option<Socket>,
    pub(super) web: Option<Socket>,
    pub(super) admin: Socket,
}

impl Bound {
    pub(super) fn all(config: &Config) -> Result<Self> {
        let (listen, role, wanted) = (&config.listen, config.node.role, &config.connections);
        let shares = share_descriptors(&[wanted.api, wanted.bulk, wanted.web, wanted.admin])?;
        let limits = |i: usize| ConnectionLimits {
            all: shares[i],
            // Even on a small listener, one address leaves room for others.
            per_address: (!listen.behind_tls_proxy)
                .then(|| wanted.per_address.min((shares[i] - shares[i] / 4).max(1))),
        };
        let bind = |wanted: bool, name, address, i| {
            if wanted { Socket::bind(name, address, limits(i)).map(Some) } else { Ok(None) }
        };
        Ok(Self {
            api: bind(role.takes_requests(), "api", listen.api, 0)?,
            bulk: bind(role.takes_requests(), "bulk", listen.bulk, 1)?,
            web: bind(role.shows_pages(), "web", listen.web, 2)?,
            admin: Socket::bind("admin", listen.admin, limits(3))?,
        })
    }

    pub(super) fn addresses(&self, tls: bool, admin_token_file: Option<PathBuf>) -> Addresses {
        let url = |socket: &Socket, tls: bool| {
            format!("{}://{}", if tls { "https" } else { "http" }, socket.address)
        };
        Addresses {
            ready: true,
            api: self.api.as_ref().map(|socket| url(socket, tls)),
            bulk: self.bulk.as_ref().map(|socket| url(socket, tls)),
            web: self.web.as_ref().map(|socket| url(socket, tls)),
            admin: url(&self.admin, tls && !self.admin.address.ip().is_loopback()),
            admin_token_file,
        }
    }
}

/// A bound socket.
pub(crate) struct Socket {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    connections: Connections,
}

impl Socket {
    fn bind(name: &'static str, address: SocketAddr, limits: ConnectionLimits) -> Result<Self> {
        let context = || format!("listen.{name} = {address}");
        let listener = TcpListener::bind(address).with_context(context)?;
        Self::of(listener, Connections::new(name, limits)).with_context(context)
    }

    /// Wraps a socket that is already bound.
    pub(crate) fn of(listener: TcpListener, connections: Connections) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, connections })
    }

    /// Serves `router` on the runtime of `on`.
    pub(crate) fn serve(
        self,
        router: Router,
        tls: Option<RustlsConfig>,
        on: &tokio::runtime::Handle,
    ) -> Result<Running> {
        let handle = Handle::new();
        let _guard = on.enter();
        let router = if tls.is_some() { router.layer(map_response(over_tls_alone)) } else { router };
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let (connections, of_errors) = (self.connections.clone(), self.connections);
        let mut server = axum_server::from_tcp(self.listener)?
            .handle(handle.clone())
            .first_request_timeout(HEAD_TIME)
            .accept_error_handler(move |_, error| of_errors.failed(error));
        configure(server.http_builder());
        let task = match tls {
            Some(tls) => {
                let acceptor = RustlsAcceptor::new(tls).handshake_timeout(HEAD_TIME).acceptor(connections);
                on.spawn(server.acceptor(acceptor).serve(service))
            }
            None => on.spawn(server.acceptor(connections).serve(service)),
        };
        Ok(Running { handle, task })
    }
}

/// Makes browsers use only TLS from now on (HSTS).
async fn over_tls_alone(mut response: Response) -> Response {
    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}

/// Allows half-close: a client may shut down its sending side after the request and still gets a reply (SPEC 1).
fn configure(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buf_size(STREAM_BUFFER_BYTES)
        .keep_alive_interval(Some(Duration::from_secs(30)));
}

/// A running listener.
pub(crate) struct Running {
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Accepts no more connections. Running requests have until `deadline`.
    pub(crate) fn stop(&self, deadline: Duration) {
        self.handle.graceful_shutdown(Some(deadline));
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) -> Result<()> {
        self.task.await.context("a listener's task broke off")?.context("a listener broke off")
    }
}
