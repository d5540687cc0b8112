//! `seoham landing`: the institution's gateway on a socket of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use clap::Args;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use secrecy::SecretString;
use seoham_kit::landing::{Landing, LandingOptions, Limits};
use serde_json::json;

use crate::cli::say;
use crate::config::Log;
use crate::logging;
use crate::server::listeners::termination;

/// How long a browser may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long a request's head may be, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Requests under way at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// How long pages and reports that are under way may take once the process is told to end.
const ENDING: Duration = Duration::from_secs(10);

/// What `seoham landing` is told.
#[derive(Args)]
pub(crate) struct LandingArgs {
    /// The institution's own application, reachable through this gateway alone.
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// The platform's API.
    #[arg(long, value_name = "URL")]
    platform: String,
    /// A file with the institution's access token.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The exchange log's directory; made if it is not there.
    #[arg(long, value_name = "DIRECTORY")]
    log: PathBuf,
    /// Where browsers come in. Port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8090)))]
    listen: SocketAddr,
    /// The certificate chain in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy in front terminates TLS and sets X-Forwarded-For.
    #[arg(long)]
    behind_tls_proxy: bool,
    /// Print one line of JSON with the gateway's address when it is up.
    #[arg(long)]
    ready_json: bool,
}

/// Serves until the process is told to end.
pub(crate) fn run(args: &LandingArgs) -> Result<()> {
    logging::start(&Log::default())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("seoham-landing").build();
    runtime.context("threads")?.block_on(serve(args))
}

async fn serve(args: &LandingArgs) -> Result<()> {
    let mut terminate = termination()?;
    let secure = args.tls_certificate.is_some() || args.behind_tls_proxy;
    if !args.listen.ip().is_loopback() && !secure {
        bail!(
            "--listen {}: reachable from elsewhere without TLS; give --tls-certificate and --tls-key, or \
             --behind-tls-proxy if a proxy terminates TLS",
            args.listen
        );
    }
    let tls = match (&args.tls_certificate, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let context = || format!("TLS from {} and {}", certificate.display(), key.display());
            Some(RustlsConfig::from_pem_file(certificate, key).await.with_context(context)?)
        }
        _ => None,
    };
    let context = || format!("--token-file {}", args.token_file.display());
    let token = std::fs::read_to_string(&args.token_file).with_context(context)?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("--listen {}", args.listen))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;

    let landing = Landing::start(&LandingOptions {
        upstream: args.upstream.clone(),
        platform: args.platform.clone(),
        access_token: SecretString::from(token.trim()),
        log: args.log.clone(),
        secure,
        behind_proxy: args.behind_tls_proxy,
        limits: Limits::default(),
    })?;
    let service = landing.router().into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    let scheme = if tls.is_some() { "https" } else { "http" };
    // The last piece of a page leaves by itself, and is not to wait for the browser to acknowledge
    // the one before: that alone would be 40 ms.
    let serving = if let Some(tls) = tls {
        let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
        let server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle.clone());
        let mut server = server.first_request_timeout(HEAD_TIME);
        configure(server.http_builder());
        tokio::spawn(server.serve(service))
    } else {
        let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor::new()).handle(handle.clone());
        let mut server = server.first_request_timeout(HEAD_TIME);
        configure(server.http_builder());
        tokio::spawn(server.serve(service))
    };
    let url = format!("{scheme}://{address}");
    if args.ready_json {
        say(&json!({ "ready": true, "landing": url }).to_string());
    }
    tracing::info!(landing = url, pending_reads = landing.opened().pending.len(), "ready");
    terminate.recv().await;
    // Nobody hears the second time, which therefore ends the process at once.
    drop(terminate);
    tracing::info!("shutting down");
    handle.graceful_shutdown(Some(ENDING));
    serving.await.context("the listener's task broke off")?.context("the listener broke off")?;
    landing.stop(ENDING).await;
    tracing::info!("ended");
    Ok(())
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
