//! How a connection is made: which hosts, over TLS or not, with which settings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::open::OpenError;

/// How long to wait for a free connection, and for a new one.
const CONNECTION_TIME: Duration = Duration::from_millis(2_500);

/// We look rows up by their keys and nothing else, so plans must not depend on what a table's
/// statistics say while it grows from nothing: a plan made for an empty table would read all of a
/// full one. With them fixed, they need not be made anew for each execution either.
const SETTINGS: &str = "-c application_name=seoham -c enable_seqscan=off -c enable_hashjoin=off \
    -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan -c jit=off -c timezone=UTC \
    -c idle_in_transaction_session_timeout=60s";

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// How the database is reached.
#[derive(Clone)]
pub(crate) struct Connector {
    /// One for each host, in their order.
    hosts: Arc<[Config]>,
    tls: MakeRustlsConnect,
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
        // A machine that is gone without a word is noticed within a quarter of a minute.
        config.tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(5));
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        let tls = MakeRustlsConnect::new(tls(config.get_ssl_mode(), ca_file)?);
        Ok(Self { hosts: one_by_one(&config).into(), tls })
    }

    /// A connection to the first host that answers in time and takes writes. A host that accepts
    /// the connection and then says nothing must not keep us from the next one.
    pub(crate) async fn connect(&self) -> Result<(Client, Connection<Socket, TlsStream>), Error> {
        let mut failed = None;
        for config in &*self.hosts {
            match tokio::time::timeout(CONNECTION_TIME, config.connect(self.tls.clone())).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => failed = Some(error),
                Err(_) => {}
            }
        }
        // Made for this very purpose, by the library's own blocking client.
        Err(failed.unwrap_or_else(Error::__private_api_timeout))
    }

    /// A pool of at most `size` connections.
    pub(crate) fn pool(&self, size: usize) -> Result<Pool, OpenError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let any = self.hosts.first().cloned().unwrap_or_default();
        let manager = Manager::from_connect(any, self.clone(), recycling);
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(1);
        let timeouts = Timeouts {
            wait: Some(CONNECTION_TIME),
            create: Some(CONNECTION_TIME * (hosts + 1)),
            recycle: Some(CONNECTION_TIME),
        };
        let pool = Pool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1);
        pool.build().map_err(|e| OpenError::Pool(e.to_string()))
    }
}

impl Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(async move {
            let (client, connection) = Self::connect(self).await?;
            let task = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the database was lost");
                }
            });
            Ok((client, task))
        })
    }
}

/// The same settings for each host alone.
fn one_by_one(config: &Config) -> Vec<Config> {
    let ports = config.get_ports();
    let one = |(i, host): (usize, &Host)| {
        let mut one = Config::new();
        match host {
            Host::Tcp(name) => one.host(name),
            Host::Unix(path) => one.host_path(path),
        };
        if let Some(port) = ports.get(i).or(ports.first()) {
            one.port(*port);
        }
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(password) = config.get_password() {
            one.password(password);
        }
        if let Some(name) = config.get_dbname() {
            one.dbname(name);
        }
        if let Some(options) = config.get_options() {
            one.options(options);
        }
        if let Some(name) = config.get_application_name() {
            one.application_name(name);
        }
        one.ssl_mode(config.get_ssl_mode())
            .ssl_negotiation(config.get_ssl_negotiation())
            .channel_binding(config.get_channel_binding())
            .target_session_attrs(config.get_target_session_attrs())
            .connect_timeout(CONNECTION_TIME)
            .keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle());
        if let Some(time) = config.get_keepalives_interval() {
            one.keepalives_interval(time);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            one.keepalives_retries(retries);
        }
        if let Some(time) = config.get_tcp_user_timeout() {
            one.tcp_user_timeout(*time);
        }
        one
    };
    config.get_hosts().iter().enumerate().map(one).collect()
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
