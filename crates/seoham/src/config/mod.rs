//! The configuration: one TOML file; every value can also be set as `SEOHAM_SECTION__NAME`, the common ones as flags.
//! Unknown keys are errors, so that a misspelt key does not silently keep its default.

mod args;
mod messenger;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

pub(crate) use args::{ListenArgs, ServeArgs};
pub(crate) use messenger::{MessengerSection, ProviderKind, ProviderSection, SendsSetting, Unknown};

/// The complete configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) node: Node,
    pub(crate) listen: Listen,
    pub(crate) connections: ConnectionsSection,
    pub(crate) tls: Tls,
    pub(crate) store: StoreSection,
    pub(crate) keys: Keys,
    pub(crate) admin: Admin,
    pub(crate) web: Web,
    pub(crate) brand: BrandSection,
    pub(crate) notifier: Notifier,
    pub(crate) messenger: MessengerSection,
    pub(crate) delivery: Delivery,
    pub(crate) admission: Admission,
    pub(crate) volume: Volume,
    pub(crate) webhooks: WebhooksSection,
    pub(crate) log: Log,
    pub(crate) shutdown: Shutdown,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Node {
    /// The process's role.
    pub(crate) role: Role,
}

/// What a process does. Anything but all of it needs a store that processes share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Everything.
    #[default]
    All,
    /// The institution API: the api and bulk listeners.
    Gateway,
    /// The worker, with no listener but admin.
    Delivery,
    /// The recipients' pages: the web listener.
    Web,
}

impl Role {
    /// Whether it has the api and bulk listeners.
    pub(crate) fn takes_requests(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    /// Whether it has the web listener.
    pub(crate) fn shows_pages(self) -> bool {
        matches!(self, Self::All | Self::Web)
    }

    /// Whether it has the worker.
    pub(crate) fn delivers(self) -> bool {
        matches!(self, Self::All | Self::Delivery)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Gateway => "gateway",
            Self::Delivery => "delivery",
            Self::Web => "web",
        })
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) api: SocketAddr,
    pub(crate) bulk: SocketAddr,
    pub(crate) web: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// A proxy in front terminates TLS, so plain HTTP on a non-loopback address is intended.
    pub(crate) behind_tls_proxy: bool,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            api: local(8080),
            bulk: local(8081),
            web: local(8082),
            admin: local(8083),
            behind_tls_proxy: false,
        }
    }
}

impl Listen {
    /// Applies the flags.
    pub(crate) fn apply(&mut self, args: &ListenArgs) {
        self.api = args.api_listen.unwrap_or(self.api);
        self.bulk = args.bulk_listen.unwrap_or(self.bulk);
        self.web = args.web_listen.unwrap_or(self.web);
        self.admin = args.admin_listen.unwrap_or(self.admin);
    }
}

/// Maximum number of concurrent connections. Together the limits need as many file descriptors. If the system allows
/// fewer, each listener gets a proportionally smaller share.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConnectionsSection {
    pub(crate) api: usize,
    pub(crate) bulk: usize,
    pub(crate) web: usize,
    pub(crate) admin: usize,
    /// Limit per address of one listener. Not used behind a proxy, whose address all clients share.
    pub(crate) per_address: usize,
}

impl Default for ConnectionsSection {
    fn default() -> Self {
        Self { api: 1_024, bulk: 1_024, web: 4_096, admin: 64, per_address: 512 }
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate chain in PEM.
    pub(crate) certificate_file: Option<PathBuf>,
    /// Its key in PEM.
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct StoreSection {
    /// The embedded store's directory. With a database, the directory for a generated operator token.
    pub(crate) data: PathBuf,
    /// Whether this is a sandbox with invented people.
    pub(crate) sandbox: bool,
    /// The shared store, `postgres://…`, instead of the embedded one.
    #[serde(serialize_with = "masked")]
    pub(crate) database: Option<SecretString>,
    /// Certificate authorities in PEM, one of which signed the database server's certificate.
    pub(crate) database_ca_file: Option<PathBuf>,
    /// Maximum number of database connections for people's calls and single calls of institutions.
    pub(crate) interactive_connections: usize,
    /// Maximum number of database connections for bulk requests and deliveries.
    pub(crate) bulk_connections: usize,
    /// Whether to migrate the database's schema at startup.
    pub(crate) migrate: bool,
    /// Accept a database that may lose committed data because `fsync`, `full_page_writes` or `synchronous_commit` is
    /// off. Only for test clusters.
    pub(crate) allow_data_loss: bool,
    /// Create the store if there is none. Only a flag, because it applies to one start.
    #[serde(skip)]
    pub(crate) create: bool,
    /// Trust the machine's clock whatever times were stored before. Only a flag.
    #[serde(skip)]
    pub(crate) accept_clock: bool,
    /// Discard a last transaction that a power failure tore. Only a flag.
    #[serde(skip)]
    pub(crate) discard_torn_transaction: bool,
    /// How many days documents are kept after their acceptance. Unlimited if absent.
    pub(crate) retention_days: Option<u32>,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./seoham-data"),
            sandbox: false,
            database: None,
            database_ca_file: None,
            interactive_connections: 8,
            bulk_connections: 8,
            migrate: true,
            allow_data_loss: false,
            create: false,
            accept_clock: false,
            discard_torn_transaction: false,
            retention_days: None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// The master key file. A sandbox generates its own in the data directory.
    pub(crate) master_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    /// The operator's token. Generated at the first start if it is not set.
    #[serde(serialize_with = "masked")]
    pub(crate) token: Option<SecretString>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    /// The public address of the document box. By default the web listener's own.
    pub(crate) public_url: Option<String>,
}

/// The branding of the recipients' pages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BrandSection {
    /// The name of the box, on every page and in every message: 1 to 20 characters.
    pub(crate) name: Option<String>,
    /// The English name. By default the Korean one.
    pub(crate) name_en: Option<String>,
    /// `#rrggbb`, dark enough for white text.
    pub(crate) color: Option<String>,
    /// A PNG of at most 64 KiB.
    pub(crate) logo_file: Option<PathBuf>,
    /// The contact for questions about the box, as displayed.
    pub(crate) contact: Option<String>,
    /// The terms that a person accepts when joining, as text. The accepted text is stored.
    pub(crate) terms_file: Option<PathBuf>,
    /// The privacy notice, as text.
    pub(crate) privacy_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Notifier {
    /// The messenger provider's address. A sandbox without one simulates the messenger.
    pub(crate) url: Option<String>,
    /// The signing secret, base64 of at least 24 bytes, with or without `whsec_`.
    #[serde(serialize_with = "masked")]
    pub(crate) secret: Option<SecretString>,
    /// Timeout of one message.
    pub(crate) timeout_seconds: u64,
    /// Messages sent concurrently, in each of up to four batches.
    pub(crate) concurrent_messages: usize,
}

impl Default for Notifier {
    fn default() -> Self {
        Self { url: None, secret: None, timeout_seconds: 10, concurrent_messages: 32 }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Delivery {
    /// Minimum lease of a worker's claims. When a worker is lost, another delivers its claims after this time.
    pub(crate) lease_seconds: u64,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { lease_seconds: 60 }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admission {
    /// Maximum number of concurrent bulk requests.
    pub(crate) requests: usize,
    /// Maximum total size of their bodies, in bytes.
    pub(crate) bytes: usize,
    /// Maximum number of concurrent bulk requests of one institution.
    pub(crate) requests_per_institution: usize,
    /// Maximum total size of their bodies, in bytes. By default half of `bytes`.
    pub(crate) bytes_per_institution: Option<usize>,
}

impl Default for Admission {
    fn default() -> Self {
        let limits = seoham_gateway::AdmissionLimits::default();
        Self {
            requests: limits.requests,
            bytes: limits.bytes,
            requests_per_institution: limits.requests_per_institution,
            bytes_per_institution: None,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Volume {
    /// Number of documents of one institution per day from which the operator is alerted if no plan for it was
    /// approved. Nothing is rejected.
    pub(crate) documents_per_day: u64,
    /// Where to post alerts, in addition to metrics and log.
    pub(crate) webhook_url: Option<String>,
    /// The secret that signs alerts, base64 of at least 24 bytes, with or without `whsec_`.
    #[serde(serialize_with = "masked")]
    pub(crate) webhook_secret: Option<SecretString>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { documents_per_day: 500_000, webhook_url: None, webhook_secret: None }
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebhooksSection {
    /// Networks besides the public Internet that institutions' webhooks may reach, in CIDR notation.
    pub(crate) allow_networks: Vec<String>,
    /// A certificate authority in PEM, besides the system's, that may have signed the certificates of receivers.
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// In the syntax of tracing's `EnvFilter`.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
    /// The file of the action log, which records actions over the operator API. By default actions.log in
    /// `store.data`.
    pub(crate) actions: Option<PathBuf>,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text, actions: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Shutdown {
    /// How long running requests may take after the process is asked to stop.
    pub(crate) deadline_seconds: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { deadline_seconds: 10 }
    }
}

#[allow(clippy::ref_option, reason = "serde's signature")]
fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_str("********"),
        None => serializer.serialize_none(),
    }
}

/// Loads the configuration: defaults, file, environment, flags, each overriding the previous.
pub(crate) fn load(args: &ServeArgs) -> Result<Config> {
    let mut builder = config::Config::builder();
    if let Some(file) = &args.config {
        let source = config::File::from(file.as_path()).format(config::FileFormat::Toml);
        builder = builder.add_source(source);
    }
    // Read values as strings and convert them to the type of the key: a token that consists of digits is not a
    // number.
    let environment = config::Environment::with_prefix("SEOHAM").prefix_separator("_").separator("__");
    let read = builder.add_source(environment).build().and_then(config::Config::try_deserialize);
    let mut config: Config = read.context("configuration")?;
    config.listen.apply(&args.listen);
    if let Some(data) = &args.data {
        config.store.data.clone_from(data);
    }
    if let Some(database) = &args.database {
        config.store.database = Some(database.clone().into());
    }
    config.store.sandbox |= args.sandbox;
    config.store.migrate &= !args.no_migrate;
    config.store.allow_data_loss |= args.allow_data_loss;
    config.store.create = args.create || config.store.sandbox;
    config.store.accept_clock = args.accept_clock;
    config.store.discard_torn_transaction = args.discard_torn_transaction;
    config.node.role = args.role.unwrap_or(config.node.role);
    Ok(config)
}

/// The configuration for display, with secrets masked.
pub(crate) fn shown(config: &Config) -> Result<String> {
    toml::to_string(config).context("configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values in the example are the defaults, so that copying it changes nothing.
    #[test]
    fn the_example_says_the_defaults() {
        let text = include_str!("../../../../examples/seoham.toml");
        let example: Config = toml::from_str(text).expect("the example is a configuration");
        assert_eq!(shown(&example).expect("shown"), shown(&Config::default()).expect("shown"));
        // Its commented-out keys exist.
        let uncommented: String = text
            .lines()
            .filter_map(|line| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                let is_section =
                    line.starts_with('[') && line.split('#').next().unwrap_or("").trim_end().ends_with(']');
                let is_setting =
                    is_section || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
                is_setting.then(|| format!("{line}\n"))
            })
            .collect();
        toml::from_str::<Config>(&uncommented).expect("the comments are a configuration too");
    }
}
