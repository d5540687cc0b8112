//! How a connection is made: which hosts, over TLS or not, with which settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::open::OpenError;

/// How long to wait for a free connection, and for a new one.
const CONNECTION_TIME: Duration = Duration::from_secs(3);

/// We look rows up by their keys and nothing else, so plans must not depend on what a table's
/// statistics say while it grows from nothing: a plan made for an empty table would read all of a
/// full one. With them fixed, they need not be made anew for each execution either.
const SETTINGS: &str = "-c application_name=seoham -c enable_seqscan=off -c enable_hashjoin=off \
    -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan -c jit=off -c timezone=UTC \
    -c idle_in_transaction_session_timeout=60s";

/// How the database is reached.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) config: Config,
    pub(crate) tls: MakeRustlsConnect,
}

impl Connector {
    /// Reads a connection string. A database on another machine is reached over TLS unless
    /// `sslmode=disable` says otherwise.
    pub(crate) fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, OpenError> {
        // What it says of the URL could repeat the password.
        let mut config: Config = url.parse().map_err(|_| OpenError::Url)?;
        if config.get_ssl_mode() == SslMode::Prefer {
            let remote = config.get_hosts().iter().any(|host| !is_here(host));
            config.ssl_mode(if remote { SslMode::Require } else { SslMode::Disable });
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let own = config.get_options().unwrap_or_default().to_owned();
        config.options(format!("{SETTINGS} {own}"));
        config.connect_timeout(CONNECTION_TIME);
        config.tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(10));
        let tls = MakeRustlsConnect::new(tls(config.get_ssl_mode(), ca_file)?);
        Ok(Self { config, tls })
    }

    /// A pool of at most `size` connections.
    pub(crate) fn pool(&self, size: usize) -> Result<Pool, OpenError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let timeouts = Timeouts {
            wait: Some(CONNECTION_TIME),
            create: Some(CONNECTION_TIME * 2),
            recycle: Some(CONNECTION_TIME),
        };
        let pool = Pool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1);
        pool.build().map_err(|e| OpenError::Pool(e.to_string()))
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    }
}

/// The server must show a certificate of an authority in `ca_file`, or else of the system's.
fn tls(mode: SslMode, ca_file: Option<&Path>) -> Result<rustls::ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca_file {
        let unreadable = |e: &dyn std::fmt::Display| OpenError::CaFile(file.to_owned(), e.to_string());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unreadable(&e))? {
            roots.add(certificate.map_err(|e| unreadable(&e))?).map_err(|e| unreadable(&e))?;
        }
        if roots.is_empty() {
            return Err(unreadable(&"holds no certificate"));
        }
    } else if mode != SslMode::Disable {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| OpenError::Pool(e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
