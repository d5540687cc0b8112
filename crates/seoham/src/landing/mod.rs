//! `seoham landing`: the institution's gateway on a socket of its own.

mod server;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use secrecy::SecretString;
use seoham_kit::landing::{Landing, LandingOptions, Limits};
use seoham_vault::read_private;
use serde_json::json;

use crate::config::Log;
use crate::logging;
use crate::server::certificate::{self, Certificate};
use seoham_institution_cli::terminal::{say, termination};

pub(crate) use server::LandingServer;

/// Arguments of `seoham landing`.
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

/// Serves until the process is asked to stop.
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
        (Some(certificate), Some(key)) => Some(Certificate::read(certificate.clone(), key.clone()).await?),
        _ => None,
    };
    let token = read_private(&args.token_file).context("--token-file")?;
    certificate::follow(tls.clone())?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("--listen {}", args.listen))?;

    let landing = Landing::start(&LandingOptions {
        upstream: args.upstream.clone(),
        platform: args.platform.clone(),
        access_token: SecretString::from(token.as_str()),
        log: args.log.clone(),
        secure,
        behind_proxy: args.behind_tls_proxy,
        limits: Limits::default(),
    })?;
    let server = LandingServer::open(landing, listener, tls.as_ref().map(Certificate::config))?;
    if args.ready_json {
        say(&json!({ "ready": true, "landing": server.url }).to_string());
    }
    tracing::info!(landing = server.url, pending_reads = server.pending_reads(), "ready");
    terminate.recv().await;
    // Without a receiver, a second signal ends the process at once.
    drop(terminate);
    tracing::info!("shutting down");
    server.close().await?;
    tracing::info!("ended");
    Ok(())
}
