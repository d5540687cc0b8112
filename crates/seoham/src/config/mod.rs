//! The configuration: one TOML file, every value also as `SEOHAM_SECTION__NAME`, the common ones
//! as flags. Unknown keys are errors, so that a misspelt one is not a silent default.

mod args;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

pub(crate) use args::{ListenArgs, ServeArgs};

/// All of it.
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
    pub(crate) delivery: Delivery,
    pub(crate) admission: Admission,
    pub(crate) volume: Volume,
    pub(crate) log: Log,
    pub(crate) shutdown: Shutdown,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Node {
    /// What this process does.
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
    /// It has the api and bulk listeners.
    pub(crate) fn takes_requests(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    /// It has the web listener.
    pub(crate) fn shows_pages(self) -> bool {
        matches!(self, Self::All | Self::Web)
    }

    /// It has the worker.
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
    /// A proxy in front terminates TLS, so plain HTTP off loopback is meant.
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
    /// Puts in what the flags say.
    pub(crate) fn apply(&mut self, args: &ListenArgs) {
        self.api = args.api_listen.unwrap_or(self.api);
        self.bulk = args.bulk_listen.unwrap_or(self.bulk);
        self.web = args.web_listen.unwrap_or(self.web);
        self.admin = args.admin_listen.unwrap_or(self.admin);
    }
}

/// Connections at once. Together they need as many file descriptors; where the system allows fewer, each listener
/// has a smaller share.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConnectionsSection {
    pub(crate) api: usize,
    pub(crate) bulk: usize,
    pub(crate) web: usize,
    pub(crate) admin: usize,
    /// Of one listener from one address; not behind a proxy, which stands for everybody.
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
    /// The embedded store's directory; with a database, where the operator's token is kept if it
    /// is made here.
    pub(crate) data: PathBuf,
    /// All people are invented.
    pub(crate) sandbox: bool,
    /// The shared store, `postgres://…`, instead of the embedded one.
    #[serde(serialize_with = "masked")]
    pub(crate) database: Option<SecretString>,
    /// Authorities in PEM, one of which signed the database server's certificate.
    pub(crate) database_ca_file: Option<PathBuf>,
    /// Connections to the database at most for people's calls and single ones of institutions.
    pub(crate) interactive_connections: usize,
    /// Connections at most for bulk requests and deliveries.
    pub(crate) bulk_connections: usize,
    /// Bring the database's schema up to date at the start.
    pub(crate) migrate: bool,
    /// The database may forget what it committed, because `fsync`, `full_page_writes` or `synchronous_commit`
    /// is off: for test clusters alone.
    pub(crate) allow_data_loss: bool,
    /// Make the store if there is none. By a flag alone: it is meant once.
    #[serde(skip)]
    pub(crate) create: bool,
    /// The machine's clock is right whatever was stored before. By a flag alone.
    #[serde(skip)]
    pub(crate) accept_clock: bool,
    /// Go on without a last transaction that the loss of power tore. By a flag alone.
    #[serde(skip)]
    pub(crate) discard_torn_transaction: bool,
    /// For how many days documents are kept after their acceptance; for good when absent.
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
    /// The master key's file. A sandbox makes its own in the data directory.
    pub(crate) master_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    /// The operator's token; made at first start when it is not given.
    #[serde(serialize_with = "masked")]
    pub(crate) token: Option<SecretString>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    /// The address of the document box as recipients reach it; the web listener's own by default.
    pub(crate) public_url: Option<String>,
}

/// Whose pages the recipients' are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BrandSection {
    /// What the box is called, on every page and in every message: 1 to 20 characters.
    pub(crate) name: Option<String>,
    /// The same in English; the Korean one by default.
    pub(crate) name_en: Option<String>,
    /// `#rrggbb`, dark enough for white text.
    pub(crate) color: Option<String>,
    /// A PNG of at most 64 KiB.
    pub(crate) logo_file: Option<PathBuf>,
    /// Whom a person asks about the box itself, as it is shown.
    pub(crate) contact: Option<String>,
    /// The terms that somebody who joins agrees to, as text; what was agreed to is kept.
    pub(crate) terms_file: Option<PathBuf>,
    /// The privacy notice likewise.
    pub(crate) privacy_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Notifier {
    /// The messenger provider's address. A sandbox without one simulates a messenger.
    pub(crate) url: Option<String>,
    /// The signing secret, base64 of at least 24 bytes, with or without `whsec_`.
    #[serde(serialize_with = "masked")]
    pub(crate) secret: Option<SecretString>,
    /// How long one message may take.
    pub(crate) timeout_seconds: u64,
    /// Messages handed over at once, in each of up to four batches.
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
    /// For how long at least a worker holds what it claimed; what a worker that was lost held is
    /// delivered by another after this time.
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
    /// Bulk requests under way at once.
    pub(crate) requests: usize,
    /// Their bodies' bytes.
    pub(crate) bytes: usize,
    /// Bulk requests under way at once of one institution.
    pub(crate) requests_per_institution: usize,
    /// Their bodies' bytes; half of `bytes` when it is not given.
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
    /// Documents of one institution on one day from which on the operator is alerted when no plan for it was
    /// approved. Nothing is refused.
    pub(crate) documents_per_day: u64,
    /// Where alerts are posted to, beside metrics and log.
    pub(crate) webhook_url: Option<String>,
    /// The secret that signs them, base64 of at least 24 bytes, with or without `whsec_`.
    #[serde(serialize_with = "masked")]
    pub(crate) webhook_secret: Option<SecretString>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { documents_per_day: 500_000, webhook_url: None, webhook_secret: None }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// In the syntax of tracing's `EnvFilter`.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
    /// The file of the action log: what is done over the operator's API; actions.log in `store.data` by default.
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
    /// How long running requests may take once the process is told to end.
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

/// The configuration in force: defaults, file, environment, flags, each over the one before.
pub(crate) fn load(args: &ServeArgs) -> Result<Config> {
    let mut builder = config::Config::builder();
    if let Some(file) = &args.config {
        let source = config::File::from(file.as_path()).format(config::FileFormat::Toml);
        builder = builder.add_source(source);
    }
    // Values are taken as text and read as what the key wants: a token of digits alone is no number.
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

/// The configuration as a person may see it.
pub(crate) fn shown(config: &Config) -> Result<String> {
    toml::to_string(config).context("configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the example gives as a value is the default: whoever copies it changes nothing unawares.
    #[test]
    fn the_example_says_the_defaults() {
        let text = include_str!("../../../../examples/seoham.toml");
        let example: Config = toml::from_str(text).expect("the example is a configuration");
        assert_eq!(shown(&example).expect("shown"), shown(&Config::default()).expect("shown"));
        // What it has in comments are keys that there are.
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
