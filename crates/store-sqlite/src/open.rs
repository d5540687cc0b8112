//! Opening a data directory: the lock, the schema, the key, the mode.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use seoham_model::Clock;
use seoham_store::{Mode, personas};
use seoham_vault::Vault;

use crate::box_index::BoxIndex;
use crate::callers::KnownCallers;
use crate::companions::Companions;
use crate::deliveries::ClaimBook;
use crate::readers::Readers;
use crate::writer::{Limits, Writer};
use crate::{Inner, SqliteStore, migrations, people};

/// How to open the store.
pub struct Options {
    /// The directory; it is made if it is not there.
    pub directory: PathBuf,
    /// Whose people it holds; must be what it was when the data was first created.
    pub mode: Mode,
    /// The clock that the store keeps; the machine's by default.
    pub clock: Clock,
    /// What a COMMIT means.
    pub durability: Durability,
}

impl Options {
    /// The store in `directory`, as durable as SPEC 5 demands, by the machine's clock.
    pub fn new(directory: PathBuf, mode: Mode) -> Self {
        Self { directory, mode, clock: Clock::default(), durability: Durability::default() }
    }
}

/// What a COMMIT means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was committed survives the loss of power (SPEC 5).
    #[default]
    Power,
    /// What was committed survives the end of the process, and no more: for simulations.
    Process,
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system refused.
    #[error("data directory {path}: {source}")]
    Io {
        /// The directory or a file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("data directory {0}: another seoham process is using it")]
    InUse(PathBuf),
    /// It was sealed under another master key.
    #[error("data directory {0}: was sealed under another master key than the one given")]
    OtherKey(PathBuf),
    /// Its mode is fixed, and another was asked for.
    #[error("data directory {path}: was created {}, and this is fixed", if *.sandbox { "as a sandbox (start with --sandbox)" } else { "for live people (start without --sandbox)" })]
    OtherMode {
        /// The directory.
        path: PathBuf,
        /// What it is.
        sandbox: bool,
    },
    /// SQLite refused.
    #[error("database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("database schema: {0}")]
    Schema(Box<refinery::Error>),
}

/// The database's file in its directory.
pub(crate) const DATABASE: &str = "seoham.db";

/// Connections that read, for each lane.
const READERS_PER_LANE: usize = 4;

impl SqliteStore {
    /// Opens the store in `options.directory`, creating it if there is none. Blocks.
    pub fn open(options: &Options, vault: Arc<Vault>) -> Result<Self, OpenError> {
        let directory = &options.directory;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        std::fs::create_dir_all(directory).map_err(io(directory))?;
        let lock = lock(directory)?;

        let file = directory.join(DATABASE);
        // SQLite gives its other files the mode of this one.
        let own =
            std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file);
        // Kept open: closing it would take SQLite's locks on the file with it.
        let own = own.map_err(io(&file))?;
        let mut connection = Connection::open(&file)?;
        configure(&connection, options.durability)?;
        migrations::runner().run(&mut connection).map_err(|e| OpenError::Schema(Box::new(e)))?;
        // Only now: a migration may sort more than there is memory for.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        check_key(&connection, &vault, directory)?;
        fix_mode(&mut connection, &vault, options)?;
        let clock = options.clock.clone();
        if let Some(seconds) = deployment_value::<i64>(&connection, "clock_advanced_seconds")? {
            clock.set_advanced_seconds(seconds);
        }
        let (claims, known) = (Arc::new(ClaimBook::default()), Arc::new(people::KnownPeople::default()));

        let readers = || (0..READERS_PER_LANE).map(|_| open_reader(&file)).collect::<Result<Vec<_>, _>>();
        let readers = Readers::new(readers()?, readers()?);
        let for_checkpoints = Connection::open(&file)?;
        configure(&for_checkpoints, options.durability)?;
        let callers = Arc::<KnownCallers>::default();
        let box_index = Arc::new(BoxIndex::open(&connection)?);
        let companions = Companions {
            known: Arc::clone(&known),
            callers: Arc::clone(&callers),
            box_index: Arc::clone(&box_index),
        };
        let writer =
            Writer::start(connection, (for_checkpoints, own), Limits::default(), Box::new(companions))
                .map_err(io(directory))?;
        let looked_at = Arc::default();
        let inner = Inner {
            vault,
            clock,
            mode: options.mode,
            readers,
            claims,
            known,
            callers,
            box_index,
            looked_at,
            writer,
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

pub(crate) fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join("seoham.lock");
    let io = |source| OpenError::Io { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// Durability is what SPEC 5 promises: `synchronous = FULL` syncs the log at every COMMIT.
/// Checkpoints are our own (`writer/checkpoints.rs`): SQLite's would stall the writer. The log is written
/// over, and cut down only where it has grown far beyond where it is begun anew.
fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    stable_plans(connection)?;
    let synchronous = match durability {
        Durability::Power => "FULL",
        Durability::Process => "OFF",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0; PRAGMA cache_size = -32768;
         PRAGMA journal_size_limit = 268435456;",
    )
}

fn open_reader(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    stable_plans(&connection)?;
    // rarray(?) in a statement: many ids at once.
    rusqlite::vtab::array::load_module(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -2048;")?;
    Ok(connection)
}

/// Plans do not depend on the values that are bound. Without this, an SQLite built with STAT4
/// prepares most statements anew at every execution, which cost three quarters of the writer's
/// time.
fn stable_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

pub(crate) fn deployment_value<T: rusqlite::types::FromSql>(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<Option<T>> {
    connection.query_row("SELECT value FROM deployment WHERE name = ?1", [name], |row| row.get(0)).optional()
}

pub(crate) fn check_key(connection: &Connection, vault: &Vault, directory: &Path) -> Result<(), OpenError> {
    connection.execute(
        "INSERT INTO deployment (name, value) VALUES ('key_check', ?1) ON CONFLICT DO NOTHING",
        [vault.key_check()],
    )?;
    let stored: Option<[u8; 16]> = deployment_value(connection, "key_check")?;
    if stored == Some(vault.key_check()) { Ok(()) } else { Err(OpenError::OtherKey(directory.to_owned())) }
}

/// Sets the mode of new data, with the people of a sandbox in the same transaction.
fn fix_mode(connection: &mut Connection, vault: &Vault, options: &Options) -> Result<(), OpenError> {
    let wanted = match options.mode {
        Mode::Live => "live",
        Mode::Sandbox => "sandbox",
    };
    let Some(stored) = deployment_value::<String>(connection, "mode")? else {
        let people = if options.mode == Mode::Sandbox { personas::registrations() } else { Vec::new() };
        let transaction = connection.transaction()?;
        transaction.execute("INSERT INTO deployment (name, value) VALUES ('mode', ?1)", [wanted])?;
        let (clock, nothing) = (&options.clock, BoxIndex::default());
        for person in people {
            if let Err(error) =
                people::register_one(&transaction, vault, clock, &nothing, &person, clock.now())
            {
                return Err(match error {
                    crate::writer::WriteError::Sql(e) => OpenError::Sql(e),
                    crate::writer::WriteError::Store(_) => OpenError::OtherKey(options.directory.clone()),
                });
            }
        }
        transaction.commit()?;
        return Ok(());
    };
    if stored == wanted {
        return Ok(());
    }
    Err(OpenError::OtherMode { path: options.directory.clone(), sandbox: stored == "sandbox" })
}
