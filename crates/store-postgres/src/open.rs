//! Opening the database: the schema, the key, the mode, and what runs as long as it is open.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use seoham_model::Clock;
use seoham_store::{Mode, StoreError, personas};
use seoham_vault::Vault;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::connect::Connector;
use crate::documents::Accepting;
use crate::partitions::Partitions;
use crate::people::KnownKeys;
use crate::precedence::Precedence;
use crate::session::Sessions;
use crate::signals::Signals;
use crate::{Inner, PostgresStore, deliveries, migrations};

/// How to open the store.
pub struct Options {
    /// A connection string, `postgres://…`: several hosts and `target_session_attrs` are welcome.
    pub url: SecretString,
    /// Authorities, in PEM, one of which must have signed the server's certificate; the system's
    /// by default.
    pub ca_file: Option<PathBuf>,
    /// Whose people it holds; must be what it was when the data was first created.
    pub mode: Mode,
    /// The clock that the store keeps; the machine's by default.
    pub clock: Clock,
    /// Bring the schema up to date first.
    pub migrate: bool,
    /// Connections at most of the interactive lane.
    pub interactive_connections: usize,
    /// Connections at most of the bulk lane.
    pub bulk_connections: usize,
    /// Connections that accept documents, beside the lanes'.
    pub accepting_connections: usize,
}

impl Options {
    /// The store at `url` with the default numbers of connections.
    pub fn new(url: SecretString, mode: Mode) -> Self {
        let clock = Clock::default();
        Self {
            url,
            ca_file: None,
            mode,
            clock,
            migrate: true,
            interactive_connections: 8,
            bulk_connections: 8,
            accepting_connections: 2,
        }
    }
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connection string is none.
    #[error("store.database: not a PostgreSQL connection string (postgres://user@host/name)")]
    Url,
    /// The authorities cannot be read.
    #[error("store.database_ca_file {0}: {1}")]
    CaFile(PathBuf, String),
    /// A pool of connections could not be set up.
    #[error("database connections: {0}")]
    Pool(String),
    /// It was sealed under another master key.
    #[error("the database was sealed under another master key than the one given")]
    OtherKey,
    /// Its mode is fixed, and another was asked for.
    #[error("the database was created {}, and this is fixed", if *.sandbox { "as a sandbox (start with --sandbox)" } else { "for live people (start without --sandbox)" })]
    OtherMode {
        /// What it is.
        sandbox: bool,
    },
    /// There is something in a database that is to be filled.
    #[error("the database is not empty: `seoham move` fills a new one, before any node has used it")]
    NotEmpty,
    /// A row that is to be moved does not have the form that it should have.
    #[error("{0}: a row is damaged")]
    Damaged(&'static str),
    /// The schema lacks what this program needs.
    #[error(
        "the database's schema is behind this program: run `seoham migrate`, or start without --no-migrate"
    )]
    SchemaBehind,
    /// The schema could not be brought up to date.
    #[error("database schema: {0}")]
    Schema(Box<refinery::Error>),
    /// PostgreSQL refused, or cannot be reached.
    #[error("database: {}", describe(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// The first contents could not be written.
    #[error("database: {0}")]
    Store(#[from] StoreError),
}

/// A detail of the server would repeat values and is left out.
fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.message().to_owned();
    }
    // Its own text ends with its cause.
    error.to_string()
}

impl PostgresStore {
    /// Opens the store and starts the tasks that go with it, on the present Tokio runtime.
    pub async fn open(options: &Options, vault: Arc<Vault>) -> Result<Self, OpenError> {
        let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
        let advanced_seconds = prepare(&connector, options, &vault).await?;
        let clock = options.clock.clone();
        clock.set_advanced_seconds(advanced_seconds);

        let bulk = connector.pool(options.bulk_connections.max(1))?;
        let stop = CancellationToken::new();
        let signals = Arc::new(Signals::new(bulk.clone()));
        signals.start(&connector, &clock, options.mode, &stop);
        let sweeper = Arc::<deliveries::Sweeper>::default();
        sweeper.start(&bulk, &stop);
        let partitions = Arc::new(Partitions::default());
        let accepting_connections = options.accepting_connections.clamp(1, 4);
        let precedence = Arc::<Precedence>::default();
        let accepting = Accepting::start(
            &connector.pool(accepting_connections)?,
            accepting_connections,
            &partitions,
            &precedence,
        );
        let interactive = connector.pool(options.interactive_connections.max(1))?;
        let inner = Inner {
            vault,
            clock,
            mode: options.mode,
            sessions: Sessions { interactive, bulk, precedence },
            accepting,
            partitions,
            signals,
            finishing: deliveries::Finishing::default(),
            known_keys: KnownKeys::default(),
            turns: deliveries::Turns::default(),
            sweeper,
            _tasks: stop.drop_guard(),
        };
        let store = Self { inner: Arc::new(inner) };
        store.populate(options.mode).await?;
        store.make_partitions(store.inner.clock.now()).await?;
        Ok(store)
    }

    /// Puts the people of a sandbox into one that has none yet. Nodes that start at the same time
    /// do it both, which changes nothing.
    async fn populate(&self, mode: Mode) -> Result<(), OpenError> {
        use seoham_store::People;
        let first = SecretString::from(personas::MEMBER);
        if mode == Mode::Sandbox && self.person_by_phone(&first).await?.is_none() {
            let people = tokio::task::spawn_blocking(personas::registrations)
                .await
                .map_err(|_| StoreError::Unavailable("closing".to_owned()))?;
            self.register(people, self.inner.clock.now()).await?;
        }
        Ok(())
    }
}

/// Whether `options` can be read, without reaching for the database.
pub fn check(options: &Options) -> Result<(), OpenError> {
    Connector::new(options.url.expose_secret(), options.ca_file.as_deref()).map(drop)
}

/// Brings the schema up to date if that is wanted; gives how many steps it took.
pub async fn migrate(options: &Options) -> Result<usize, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let mut client = connect(&connector).await?;
    lock(&client).await?;
    migrations::run(&mut client).await
}

pub(crate) async fn connect(connector: &Connector) -> Result<Client, OpenError> {
    let (client, connection) = connector.connect().await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "a connection to the database was lost");
        }
    });
    Ok(client)
}

/// Held until the connection ends.
pub(crate) async fn lock(client: &Client) -> Result<(), OpenError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&migrations::SCHEMA_LOCK]).await?;
    Ok(())
}

/// Schema, key and mode, by one node after the other; gives how far the clock runs ahead.
async fn prepare(connector: &Connector, options: &Options, vault: &Vault) -> Result<i64, OpenError> {
    let mut client = connect(connector).await?;
    lock(&client).await?;
    if options.migrate {
        migrations::run(&mut client).await?;
    } else {
        migrations::check(&client).await?;
    }
    let key_check = key_check(vault);
    if fixed(&client, "key_check", &key_check).await? != key_check {
        return Err(OpenError::OtherKey);
    }
    let mode = match options.mode {
        Mode::Live => "live",
        Mode::Sandbox => "sandbox",
    };
    let stored = fixed(&client, "mode", mode).await?;
    if stored != mode {
        return Err(OpenError::OtherMode { sandbox: stored == "sandbox" });
    }
    let advanced = fixed(&client, "clock_advanced_seconds", "0").await?;
    Ok(advanced.parse().unwrap_or(0))
}

/// What is kept to notice another master key.
pub(crate) fn key_check(vault: &Vault) -> String {
    format!("{:032x}", u128::from_be_bytes(vault.key_check()))
}

/// The value of `name`, which is `value` from now on if there was none.
pub(crate) async fn fixed(client: &Client, name: &str, value: &str) -> Result<String, OpenError> {
    client
        .execute(
            "INSERT INTO deployment (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&name, &value],
        )
        .await?;
    Ok(client.query_one("SELECT value FROM deployment WHERE name = $1", &[&name]).await?.get(0))
}
