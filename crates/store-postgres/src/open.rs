//! Opening the database: schema, key, mode, and the background tasks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};
use seoham_model::Clock;
use seoham_store::deployment::{MASTER_KEY_ROW, master_key_of_row, master_key_row};
use seoham_store::restore::names;
use seoham_store::{Health, Mode, StoreError, personas};
use seoham_vault::{KeyId, Vault};
use tokio_postgres::{Client, Row};
use tokio_util::sync::CancellationToken;

use crate::box_index::BoxIndex;
use crate::connect::Connector;
use crate::documents::GroupCommit;
use crate::events::Sequencer;
use crate::examination::{Examination, Facts};
use crate::migrations::State;
use crate::partitions::Partitions;
use crate::people::{KeyCache, PersonCache};
use crate::precedence::Precedence;
use crate::session::Sessions;
use crate::signals::Signals;
use crate::{Inner, PostgresStore, deliveries, locks, migrations};

/// How to open the store.
pub struct Options {
    /// A connection string, `postgres://…`. It may name several hosts and set `target_session_attrs`.
    pub url: SecretString,
    /// Certificate authorities in PEM, one of which must have signed the server's certificate; by default the
    /// system's.
    pub ca_file: Option<PathBuf>,
    /// Real people or a sandbox. Must match the mode with which the data was created.
    pub mode: Mode,
    /// The store's clock; by default the machine's.
    pub clock: Clock,
    /// Migrate the schema first.
    pub migrate: bool,
    /// Create the store in an empty database. Without this, an empty database is rejected: it may be the wrong one.
    pub create: bool,
    /// Accept a database that may lose committed data (`fsync` and the like are off): only for tests.
    pub allow_data_loss: bool,
    /// Maximum number of connections of the interactive lane.
    pub interactive_connections: usize,
    /// Maximum number of connections of the bulk lane.
    pub bulk_connections: usize,
    /// Connections for accepting documents, in addition to those of the lanes.
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
            create: false,
            allow_data_loss: false,
            interactive_connections: 8,
            bulk_connections: 8,
            accepting_connections: 2,
        }
    }
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The connection string is invalid.
    #[error("store.database: not a PostgreSQL connection string (postgres://user@host/name)")]
    Url,
    /// The connection string names no host.
    #[error("store.database: names no host (host, hostaddr, or a directory of sockets)")]
    NoHost,
    /// The certificate authorities cannot be read.
    #[error("store.database_ca_file {0}: {1}")]
    CaFile(PathBuf, String),
    /// A pool of connections could not be set up.
    #[error("database connections: {0}")]
    Pool(String),
    /// It was sealed under another master key.
    #[error("the database was sealed under another master key than the one given")]
    OtherKey,
    /// Another mode than the stored one was requested.
    #[error("the database was created {}, and this is fixed", if *.sandbox { "as a sandbox (start with --sandbox)" } else { "for live people (start without --sandbox)" })]
    OtherMode {
        /// Whether it is a sandbox.
        sandbox: bool,
    },
    /// The database holds no store.
    #[error(
        "the database is empty. If a store should be here, look at store.database. To begin a new one, run \
         `seoham init-store` or start once with --create"
    )]
    NoStore,
    /// The database belongs to something else.
    #[error(
        "the database holds tables that are not Seoham's, or a schema that is not known: nothing was changed"
    )]
    Foreign,
    /// It was made before the parcels, with one row per document.
    #[error(
        "the database was made by an earlier Seoham, which stored a row for each document; this program cannot read it. \
         Keep using the earlier program with it, or begin a new database"
    )]
    Older,
    /// A newer program migrated the schema.
    #[error(
        "the database's schema is at step {version}, and this program knows {known}: use the program that was here \
         last, or a newer one"
    )]
    Newer {
        /// The last applied migration.
        version: i64,
        /// The last migration known here.
        known: i64,
    },
    /// It may lose committed data.
    #[error(
        "the database may lose accepted documents when the power goes: {0} is off. Turn it on; a test cluster without \
         anything to lose can be used with --allow-data-loss"
    )]
    NotDurable(String),
    /// The database to fill is not empty.
    #[error("the database is not empty: `seoham move` fills a new one, before any node has used it")]
    NotEmpty,
    /// A row to be moved is damaged.
    #[error("{0}: a row is damaged")]
    Damaged(&'static str),
    /// The schema lacks migrations that this program needs.
    #[error(
        "the database's schema is behind this program: run `seoham migrate`, or start without --no-migrate"
    )]
    SchemaBehind,
    /// A migration failed.
    #[error("database schema: {0}")]
    Schema(Box<refinery::Error>),
    /// PostgreSQL returned an error, or is unreachable.
    #[error("database: {}", describe(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// The initial data could not be written.
    #[error("database: {0}")]
    Store(#[from] StoreError),
}

/// Leaves out the server's detail, which would repeat values.
fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.message().to_owned();
    }
    // The library's own text includes the cause.
    error.to_string()
}

impl PostgresStore {
    /// Opens the store and starts its tasks on the current Tokio runtime.
    pub async fn open(options: &Options, vault: Arc<Vault>) -> Result<Self, OpenError> {
        let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
        let (clock, health) = (options.clock.clone(), Health::default());
        let accepting_connections = options.accepting_connections.clamp(1, 4);
        // One connection for listening and one for the cache of people, in addition to the pools.
        let connections = options.interactive_connections.max(1)
            + options.bulk_connections.max(1)
            + accepting_connections
            + 2;
        let examination = Examination::new(connections, options.allow_data_loss);
        let advanced_seconds = prepare(&connector, options, &vault, (&examination, &clock, &health)).await?;
        clock.set_advanced_seconds(advanced_seconds);

        let bulk = connector.pool(options.bulk_connections.max(1))?;
        let stop = CancellationToken::new();
        let signals = Arc::new(Signals::new(bulk.clone()));
        signals.start(&connector, &clock, options.mode, &stop);
        let sweeper = Arc::<deliveries::Sweeper>::default();
        sweeper.start(&bulk, &stop);
        let box_index = Arc::<BoxIndex>::default();
        box_index.start(&bulk, &clock, &sweeper, &stop);
        Sequencer::start(&bulk, &signals, &sweeper, &stop);
        let partitions = Arc::new(Partitions::default());
        let precedence = Arc::<Precedence>::default();
        let group_commit = GroupCommit::start(
            &connector.pool(accepting_connections)?,
            accepting_connections,
            &bulk,
            &partitions,
            &precedence,
        );
        let interactive = connector.pool(options.interactive_connections.max(1))?;
        let inner = Inner {
            vault,
            clock,
            mode: options.mode,
            health,
            examination,
            sessions: Sessions { interactive, bulk, precedence },
            group_commit,
            box_index,
            partitions,
            signals,
            finish_batcher: deliveries::FinishBatcher::default(),
            key_cache: KeyCache::default(),
            person_cache: Arc::new(PersonCache::new(&connector)),
            round_robin: deliveries::RoundRobin::default(),
            sweeper,
            _tasks: stop.drop_guard(),
        };
        let store = Self { inner: Arc::new(inner) };
        // Otherwise, the readiness check reports why.
        if store.inner.health.check().is_ok() {
            store.populate(options.mode).await?;
            store.make_partitions(store.inner.clock.now()).await?;
        }
        Ok(store)
    }

    /// Adds the people of a new sandbox. Nodes that start at the same time may all do so; the result is the same.
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

/// Whether `options` are valid, without connecting to the database.
pub fn check(options: &Options) -> Result<(), OpenError> {
    Connector::new(options.url.expose_secret(), options.ca_file.as_deref()).map(drop)
}

/// Where the database is, for display: hosts and name, without user and password.
pub fn address(options: &Options) -> Result<String, OpenError> {
    Ok(Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?.address())
}

/// Whether the database holds a store, used or not.
pub async fn has_store(options: &Options) -> Result<bool, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let client = connect(&connector).await?;
    Ok(migrations::state(&client).await? != State::Empty)
}

/// Migrates the schema if that is enabled. Returns the number of migrations applied.
pub async fn migrate(options: &Options) -> Result<usize, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let mut client = connect(&connector).await?;
    lock(&client).await?;
    match migrations::state(&client).await? {
        State::Known | State::Empty => migrations::run(&mut client).await,
        State::Foreign => Err(OpenError::Foreign),
        State::Older => Err(OpenError::Older),
        State::Newer { version, known } => Err(OpenError::Newer { version, known }),
    }
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

/// Takes the schema lock until the connection ends.
pub(crate) async fn lock(client: &Client) -> Result<(), OpenError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&locks::SCHEMA]).await?;
    Ok(())
}

/// Checks, then creates or migrates schema, key and mode, one node at a time. Returns how far the clock is advanced.
async fn prepare(
    connector: &Connector,
    options: &Options,
    vault: &Vault,
    (examination, clock, health): (&Examination, &Clock, &Health),
) -> Result<i64, OpenError> {
    let mut client = connect(connector).await?;
    lock(&client).await?;
    let asked = Instant::now();
    let facts = Facts::of(&client).await?;
    if let Some(off) = facts.not_durable().filter(|_| !options.allow_data_loss) {
        return Err(OpenError::NotDurable(off));
    }
    validate(&client, options, Some(options.mode), vault).await?;
    match migrations::check(&client).await {
        // Only if it is behind: a role without the privilege to migrate can still use a current schema.
        Err(OpenError::SchemaBehind) if options.migrate => {
            migrations::run(&mut client).await?;
        }
        other => other?,
    }
    examination.report(&Facts::of(&client).await?, asked, clock, health);
    let key_check = key_check(vault);
    if fixed(&client, "key_check", &key_check).await? != key_check {
        return Err(OpenError::OtherKey);
    }
    // From now on, values may be sealed under this key.
    fixed(&client, &master_key_row(vault.sealing_key()), "").await?;
    let stored = fixed(&client, "mode", options.mode.name()).await?;
    if stored != options.mode.name() {
        return Err(OpenError::OtherMode { sandbox: stored == "sandbox" });
    }
    let generation = fixed(&client, names::GENERATION, &uuid::Uuid::now_v7().to_string()).await?;
    connector.stay_in(generation, health.clone());
    let advanced = fixed(&client, "clock_advanced_seconds", "0").await?;
    advanced.parse().map_err(|_| OpenError::Damaged("deployment"))
}

/// Rejects a database that this program must not touch: an empty one without `create`, a foreign or newer schema,
/// another key or mode. Changes nothing. `mode` is `None` if either is acceptable.
pub(crate) async fn validate(
    client: &Client,
    options: &Options,
    mode: Option<Mode>,
    vault: &Vault,
) -> Result<(), OpenError> {
    match migrations::state(client).await? {
        State::Known => {}
        State::Empty if options.create || !options.migrate => return Ok(()),
        State::Empty => return Err(OpenError::NoStore),
        State::Foreign => return Err(OpenError::Foreign),
        State::Older => return Err(OpenError::Older),
        State::Newer { version, known } => return Err(OpenError::Newer { version, known }),
    }
    let stored = async |name: &str| {
        let sql = "SELECT value FROM deployment WHERE name = $1";
        let row = client.query_opt(sql, &[&name]).await?;
        Ok::<Option<String>, OpenError>(row.map(|row| row.get(0)))
    };
    let has_index = stored("key_check").await?.is_none_or(|stored| stored == key_check(vault));
    if !has_index || !sealing_keys(client).await?.into_iter().all(|id| vault.has_key(id)) {
        return Err(OpenError::OtherKey);
    }
    match (stored("mode").await?, mode) {
        (Some(stored), Some(mode)) if stored != mode.name() => {
            Err(OpenError::OtherMode { sandbox: stored == "sandbox" })
        }
        _ => Ok(()),
    }
}

/// The master keys that values in the database may be sealed under.
async fn sealing_keys(client: &Client) -> Result<Vec<KeyId>, OpenError> {
    let sql = "SELECT name FROM deployment WHERE starts_with(name, $1)";
    let rows = client.query(sql, &[&MASTER_KEY_ROW]).await?;
    let id = |row: &Row| master_key_of_row(row.get(0)).ok_or(OpenError::Damaged("deployment"));
    rows.iter().map(id).collect()
}

/// The stored value that detects another index key.
pub(crate) fn key_check(vault: &Vault) -> String {
    format!("{:032x}", u128::from_be_bytes(vault.key_check()))
}

/// The value of `name`. Sets it to `value` if there is none yet.
pub(crate) async fn fixed(client: &Client, name: &str, value: &str) -> Result<String, OpenError> {
    let sql = "SELECT value FROM deployment WHERE name = $1";
    // Avoid writing if it exists: the role may lack the privilege, which the readiness check then reports.
    if let Some(row) = client.query_opt(sql, &[&name]).await? {
        return Ok(row.get(0));
    }
    client
        .execute(
            "INSERT INTO deployment (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&name, &value],
        )
        .await?;
    Ok(client.query_one(sql, &[&name]).await?.get(0))
}
