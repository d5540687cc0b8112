//! How connections are made: to which hosts, with or without TLS, with which settings.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::future::BoxFuture;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use seoham_store::Health;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::open::OpenError;

/// How long to wait for a free connection, and for a new one.
const CONNECTION_TIME: Duration = Duration::from_millis(2_500);

/// Rows are looked up only by key, so plans must not depend on table statistics while a table grows from nothing: a
/// plan made for an empty table would scan a full one. With fixed plans, statements need not be planned again for
/// each execution either. Statements are written for READ COMMITTED, whatever the database's default is.
///
/// These settings are not enough. PostgreSQL believes a queue that was vacuumed while it was empty to have one row until
/// it is analyzed again, and a join then reads the whole queue in the order of its index and compares each row. So
/// statements join by `t.key = ANY (ARRAY[x.key])`, for every column with which an index of the table begins. The planner
/// can search the index for such a condition, but cannot use the index's order for a merge join; with a plain `=` it
/// considers reading the whole index in order even though merge joins are off. Tables that stay small, with a row for each
/// institution, operator or node, are joined as usual. The cases of the storage contract look at the plans of what they run.
const SETTINGS: &str = "-c application_name=seoham -c enable_seqscan=off -c enable_hashjoin=off \
    -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan -c jit=off -c timezone=UTC \
    -c idle_in_transaction_session_timeout=60s -c default_transaction_isolation=read\\ committed \
    -c default_transaction_read_only=off -c default_transaction_deferrable=off";

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// How to reach the database.
#[derive(Clone)]
pub(crate) struct Connector {
    /// One configuration per host, in order.
    hosts: Arc<[Config]>,
    tls: MakeRustlsConnect,
    /// The generation in which the process started, and the health to report to when it ends.
    generation: Arc<OnceLock<(String, Health)>>,
}

impl Connector {
    /// Parses a connection string. A database on another machine is reached over TLS unless it says
    /// `sslmode=disable`.
    pub(crate) fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, OpenError> {
        // Leaves out the error text, which could repeat the password.
        let mut config: Config = url.parse().map_err(|_| OpenError::Url)?;
        if config.get_ssl_mode() == SslMode::Prefer {
            let remote = config.get_hosts().iter().any(|host| !is_here(host))
                || config.get_hostaddrs().iter().any(|address| !address.is_loopback());
            config.ssl_mode(if remote { SslMode::Require } else { SslMode::Disable });
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let own = config.get_options().unwrap_or_default().to_owned();
        config.options(format!("{SETTINGS} {own}"));
        config.connect_timeout(CONNECTION_TIME);
        // Detects a machine that silently disappeared within 15 seconds.
        config.tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(5));
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        let tls = MakeRustlsConnect::new(tls(config.get_ssl_mode(), ca_file)?);
        let hosts = one_by_one(&config);
        if hosts.is_empty() {
            return Err(OpenError::NoHost);
        }
        Ok(Self { hosts: hosts.into(), tls, generation: Arc::default() })
    }

    /// From now on, the pools reject connections to a database of another generation. Such a database was restored
    /// meanwhile, and this process would write data of the old generation into it.
    pub(crate) fn stay_in(&self, generation: String, health: Health) {
        let _ = self.generation.set((generation, health));
    }

    /// Whether the database behind `client` still has the generation in which the process started.
    async fn is_same_generation(&self, client: &Client) -> Result<bool, Error> {
        let Some((began_in, health)) = self.generation.get() else { return Ok(true) };
        let sql = "SELECT value FROM deployment WHERE name = 'generation'";
        let now: Option<String> = client.query_opt(sql, &[]).await?.map(|row| row.get(0));
        let is_same = now.as_ref() == Some(began_in);
        if !is_same {
            health.fail("a connection", &"the database was restored from a backup since this process began");
        }
        Ok(is_same)
    }

    /// The environment variables that PostgreSQL's own programs read.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let each = |value: fn(&Config) -> String| self.hosts.iter().map(value).collect::<Vec<_>>().join(",");
        let mut environment = vec![
            (
                "PGHOST",
                each(|config| match config.get_hosts().first() {
                    Some(Host::Tcp(name)) => name.clone(),
                    Some(Host::Unix(path)) => path.display().to_string(),
                    None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
                }),
            ),
            (
                "PGPORT",
                each(|config| {
                    config.get_ports().first().map_or_else(|| "5432".to_owned(), ToString::to_string)
                }),
            ),
            ("PGTARGETSESSIONATTRS", "read-write".to_owned()),
        ];
        let Some(config) = self.hosts.first() else { return environment };
        let tls = config.get_ssl_mode() != SslMode::Disable;
        environment.push(("PGSSLMODE", if tls { "verify-full" } else { "disable" }.to_owned()));
        environment.extend(config.get_user().map(|user| ("PGUSER", user.to_owned())));
        environment.extend(config.get_dbname().map(|name| ("PGDATABASE", name.to_owned())));
        let password = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        environment.extend(password.map(|password| ("PGPASSWORD", password)));
        environment
    }

    /// The hosts and the database name, for display.
    pub(crate) fn address(&self) -> String {
        let host = |config: &Config| match (config.get_hosts().first(), config.get_hostaddrs().first()) {
            (Some(Host::Tcp(name)), _) => name.clone(),
            (Some(Host::Unix(path)), _) => path.display().to_string(),
            (None, address) => address.map(ToString::to_string).unwrap_or_default(),
        };
        let hosts: Vec<String> = self.hosts.iter().map(host).collect();
        let name = self.hosts.first().and_then(Config::get_dbname).unwrap_or_default();
        format!("PostgreSQL at {}, database {name}", hosts.join(","))
    }

    /// Connects to the first host that answers in time and accepts writes. A host that accepts the connection and
    /// then never answers must not keep us from trying the next one.
    pub(crate) async fn connect(&self) -> Result<(Client, Connection<Socket, TlsStream>), Error> {
        let mut failed = None;
        for config in &*self.hosts {
            match tokio::time::timeout(CONNECTION_TIME, config.connect(self.tls.clone())).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => failed = Some(error),
                Err(_) => {}
            }
        }
        // A constructor that the library's own blocking client uses for this purpose.
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
            if self.is_same_generation(&client).await? {
                Ok((client, task))
            } else {
                Err(Error::__private_api_timeout())
            }
        })
    }
}

/// The same settings for each host alone. The library cannot remove a host from a configuration, so this builds a new
/// one. A test compares the complete configurations.
fn one_by_one(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let one = |i: usize| {
        let mut one = Config::new();
        match hosts.get(i) {
            Some(Host::Tcp(name)) => one.host(name),
            Some(Host::Unix(path)) => one.host_path(path),
            None => &mut one,
        };
        if let Some(address) = addresses.get(i) {
            one.hostaddr(*address);
        }
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
            .load_balance_hosts(config.get_load_balance_hosts())
            .keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle());
        if let Some(time) = config.get_connect_timeout() {
            one.connect_timeout(*time);
        }
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
    (0..hosts.len().max(addresses.len())).map(one).collect()
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    }
}

/// The server's certificate must be signed by an authority in `ca_file`, or by one of the system's if there is no
/// file.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every setting that a connection string can have, for `hosts`.
    fn config(hosts: &str) -> Config {
        let settings = "user=u password=p dbname=d options='-c a=b' application_name=n sslmode=require \
            sslnegotiation=direct channel_binding=require target_session_attrs=read-write \
            load_balance_hosts=random connect_timeout=7 tcp_user_timeout=8 keepalives=0 keepalives_idle=9 \
            keepalives_interval=10 keepalives_retries=11";
        format!("{hosts} {settings}").parse().expect("a connection string")
    }

    #[test]
    fn one_host_alone_has_every_setting_of_all() {
        for hosts in [
            "host=a port=5433",
            "hostaddr=10.0.0.1 port=5433",
            "host=a hostaddr=10.0.0.1 port=5433",
            "host=/run/postgresql port=5433",
        ] {
            let config = config(hosts);
            let [one] = &one_by_one(&config)[..] else { panic!("one host: {hosts}") };
            // Compares all fields, including those that a later version of the library adds.
            assert_eq!(format!("{one:?}"), format!("{config:?}"));
            assert_eq!(one.get_password(), config.get_password());
        }
        let several = one_by_one(&config("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2"));
        let [first, second] = &several[..] else { panic!("two hosts") };
        assert_eq!(format!("{first:?}"), format!("{:?}", config("host=a hostaddr=10.0.0.1 port=1")));
        assert_eq!(format!("{second:?}"), format!("{:?}", config("host=b hostaddr=10.0.0.2 port=2")));
    }

    #[test]
    fn a_string_without_a_host_is_refused_for_what_it_is() {
        assert!(matches!(Connector::new("dbname=seoham", None), Err(OpenError::NoHost)));
        assert!(Connector::new("hostaddr=127.0.0.1 dbname=seoham", None).is_ok());
    }
}
