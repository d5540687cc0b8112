//! Sockets: bound first, announced when all are up, with TLS wherever they can be reached from
//! elsewhere, and closed without breaking a request.

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

/// How long a client may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long a request's head may be, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The same in HTTP/2, which is what hyper allows by default.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// Requests under way at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 32;
/// What is buffered for one of them, in bytes, when its client does not take it.
const STREAM_BUFFER_BYTES: usize = 32 * 1024;

/// Refuses to show anything but loopback to the world without TLS.
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

/// The sockets of the process's role, bound but not served yet.
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
            // However small a listener is, one address leaves room for others.
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

    /// A socket that is bound already.
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

/// Has browsers come over TLS alone from now on, whatever address they are given.
async fn over_tls_alone(mut response: Response) -> Response {
    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}

/// A client may shut its side down once it has sent everything, and is answered all the same (SPEC 1).
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

/// A listener that is up.
pub(crate) struct Running {
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Takes no more connections; running requests have until `deadline`.
    pub(crate) fn stop(&self, deadline: Duration) {
        self.handle.graceful_shutdown(Some(deadline));
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) -> Result<()> {
        self.task.await.context("a listener's task broke off")?.context("a listener broke off")
    }
}
