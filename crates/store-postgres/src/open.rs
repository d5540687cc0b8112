//! Opening the database: the schema, the key, the mode, and what runs as long as it is open.

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

use crate::connect::Connector;
use crate::documents::GroupCommit;
use crate::examination::{Examination, Facts};
use crate::migrations::State;
use crate::partitions::Partitions;
use crate::people::KeyCache;
use crate::precedence::Precedence;
use crate::session::Sessions;
use crate::signals::Signals;
use crate::{Inner, PostgresStore, deliveries, locks, migrations};

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
    /// Make the store in an empty database. Without it one is refused: it may be the wrong one.
    pub create: bool,
    /// The database may forget what it committed (`fsync` and the like are off): for tests alone.
    pub allow_data_loss: bool,
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
    /// The connection string is none.
    #[error("store.database: not a PostgreSQL connection string (postgres://user@host/name)")]
    Url,
    /// The connection string names no host.
    #[error("store.database: names no host (host, hostaddr, or a directory of sockets)")]
    NoHost,
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
    /// There is no store in it.
    #[error(
        "the database is empty. If a store should be here, look at store.database. To begin a new one, run \
         `seoham init-store` or start once with --create"
    )]
    NoStore,
    /// It is somebody else's.
    #[error(
        "the database holds tables that are not Seoham's, or a schema that is not known: nothing was changed"
    )]
    Foreign,
    /// A newer program has changed the schema.
    #[error(
        "the database's schema is at step {version}, and this program knows {known}: use the program that was here \
         last, or a newer one"
    )]
    Newer {
        /// The last step that was taken.
        version: i64,
        /// The last step that is known here.
        known: i64,
    },
    /// It may forget what it committed.
    #[error(
        "the database may lose accepted documents when the power goes: {0} is off. Turn it on; a test cluster without \
         anything to lose can be used with --allow-data-loss"
    )]
    NotDurable(String),
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
        let (clock, health) = (options.clock.clone(), Health::default());
        let accepting_connections = options.accepting_connections.clamp(1, 4);
        // Beside the pools, one listens.
        let connections = options.interactive_connections.max(1)
            + options.bulk_connections.max(1)
            + accepting_connections
            + 1;
        let examination = Examination::new(connections, options.allow_data_loss);
        let advanced_seconds = prepare(&connector, options, &vault, (&examination, &clock, &health)).await?;
        clock.set_advanced_seconds(advanced_seconds);

        let bulk = connector.pool(options.bulk_connections.max(1))?;
        let stop = CancellationToken::new();
        let signals = Arc::new(Signals::new(bulk.clone()));
        signals.start(&connector, &clock, options.mode, &stop);
        let sweeper = Arc::<deliveries::Sweeper>::default();
        sweeper.start(&bulk, &stop);
        let partitions = Arc::new(Partitions::default());
        let precedence = Arc::<Precedence>::default();
        let group_commit = GroupCommit::start(
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
            health,
            examination,
            sessions: Sessions { interactive, bulk, precedence },
            group_commit,
            partitions,
            signals,
            finish_batcher: deliveries::FinishBatcher::default(),
            key_cache: KeyCache::default(),
            round_robin: deliveries::RoundRobin::default(),
            sweeper,
            _tasks: stop.drop_guard(),
        };
        let store = Self { inner: Arc::new(inner) };
        // Where it may not, readiness says why.
        if store.inner.health.check().is_ok() {
            store.populate(options.mode).await?;
            store.make_partitions(store.inner.clock.now()).await?;
        }
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

/// Where the database is, for a person to read: hosts and name, without user and password.
pub fn address(options: &Options) -> Result<String, OpenError> {
    Ok(Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?.address())
}

/// Whether the database holds a store, in use or still to be used.
pub async fn has_store(options: &Options) -> Result<bool, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let client = connect(&connector).await?;
    Ok(migrations::state(&client).await? != State::Empty)
}

/// Brings the schema up to date if that is wanted; gives how many steps it took.
pub async fn migrate(options: &Options) -> Result<usize, OpenError> {
    let connector = Connector::new(options.url.expose_secret(), options.ca_file.as_deref())?;
    let mut client = connect(&connector).await?;
    lock(&client).await?;
    match migrations::state(&client).await? {
        State::Known | State::Empty => migrations::run(&mut client).await,
        State::Foreign => Err(OpenError::Foreign),
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

/// Held until the connection ends.
pub(crate) async fn lock(client: &Client) -> Result<(), OpenError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&locks::SCHEMA]).await?;
    Ok(())
}

/// Schema, key and mode, by one node after the other, each looked at before anything is changed; gives how far
/// the clock runs ahead.
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
        // Only then: a role that may not change the schema can use one that is up to date.
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
    // From now on something may be sealed under it.
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

/// Refuses what this program must not touch: an empty database that was not said to be a new one, a foreign or
/// newer schema, another key or mode. Changes nothing. `mode` is `None` where either will do.
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

/// The master keys that something in the database may be sealed under.
async fn sealing_keys(client: &Client) -> Result<Vec<KeyId>, OpenError> {
    let sql = "SELECT name FROM deployment WHERE starts_with(name, $1)";
    let rows = client.query(sql, &[&MASTER_KEY_ROW]).await?;
    let id = |row: &Row| master_key_of_row(row.get(0)).ok_or(OpenError::Damaged("deployment"));
    rows.iter().map(id).collect()
}

/// What is kept to notice another index key.
pub(crate) fn key_check(vault: &Vault) -> String {
    format!("{:032x}", u128::from_be_bytes(vault.key_check()))
}

/// The value of `name`, which is `value` from now on if there was none.
pub(crate) async fn fixed(client: &Client, name: &str, value: &str) -> Result<String, OpenError> {
    let sql = "SELECT value FROM deployment WHERE name = $1";
    // Without a write where there is one: the role may lack the right, which readiness then says.
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
