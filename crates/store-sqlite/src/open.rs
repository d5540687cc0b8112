//! Opening a data directory: the lock, the schema, the key, the mode.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use seoham_model::Clock;
use seoham_store::deployment::{MASTER_KEY_ROW, master_key_of_row, master_key_row};
use seoham_store::{Health, Mode, personas};
use seoham_vault::{KeyId, Vault};

use crate::box_index::BoxIndex;
use crate::caller_cache::CallerCache;
use crate::columns::known;
use crate::commit_hooks::CommitHooks;
use crate::deliveries::ClaimBook;
use crate::existing::contents;
use crate::existing::directory::{Found, lock, verify_log};
use crate::existing::marker::{MARKER, Marker};
use crate::readers::Readers;
use crate::timekeeping::Timekeeping;
use crate::writer::{Limits, Writer};
use crate::{Inner, OpenError, SqliteStore, migrations, people};

/// How to open the store.
pub struct Options {
    /// The directory.
    pub directory: PathBuf,
    /// Create the directory and the store if there is none. Without this, a directory without a store is rejected,
    /// because it may be an unmounted mount point.
    pub create: bool,
    /// Discard the last transaction of the log if it does not verify: the operator knows that power failed while it
    /// was written.
    pub discard_torn_transaction: bool,
    /// Trust the machine's clock, whatever times were stored before.
    pub accept_clock: bool,
    /// Real people or a sandbox. Must match the mode with which the data was created.
    pub mode: Mode,
    /// The store's clock; by default the machine's.
    pub clock: Clock,
    /// What a COMMIT guarantees.
    pub durability: Durability,
}

impl Options {
    /// The store in `directory`, with the durability of SPEC 5 and the machine's clock.
    pub fn new(directory: PathBuf, mode: Mode) -> Self {
        Self {
            directory,
            create: false,
            discard_torn_transaction: false,
            accept_clock: false,
            mode,
            clock: Clock::default(),
            durability: Durability::default(),
        }
    }
}

/// What a COMMIT guarantees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Committed data survives a power failure (SPEC 5).
    #[default]
    Power,
    /// Committed data survives only the end of the process: for simulations.
    Process,
}

/// The file name of the database.
pub(crate) const DATABASE: &str = "seoham.db";
/// The file name of its write-ahead log.
pub(crate) const LOG: &str = "seoham.db-wal";

/// Read connections per lane.
const READERS_PER_LANE: usize = 4;

impl SqliteStore {
    /// Whether `directory` holds a store or parts of one.
    pub fn is_in(directory: &Path) -> bool {
        [DATABASE, LOG, MARKER].iter().any(|file| directory.join(file).exists())
    }

    /// Opens the store in `options.directory`. Validates existing data before changing anything. Blocks.
    pub fn open(options: &Options, vault: Arc<Vault>) -> Result<Self, OpenError> {
        let directory = &options.directory;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        if options.create {
            std::fs::create_dir_all(directory).map_err(io(directory))?;
        }
        let lock = lock(directory)?;
        let found = Found::in_directory(directory, options.create)?;
        verify_log(directory, options.discard_torn_transaction)?;

        let file = directory.join(DATABASE);
        // SQLite creates its other files with the mode of this one.
        let own = File::options().create(options.create).truncate(false).write(true).mode(0o600).open(&file);
        // Keep it open: closing it would release SQLite's locks on the file.
        let own = own.map_err(io(&file))?;
        let mut connection = Connection::open(&file)?;
        stable_plans(&connection)?;
        keep_log(&connection)?;
        if contents::is_empty(&connection).map_err(|error| OpenError::from(error).in_file(&file))? {
            match found {
                Found::Marked(_) => return Err(OpenError::damaged(&file, None, "it is empty")),
                Found::Unmarked if !options.create => return Err(OpenError::NoStore(directory.clone())),
                Found::Unmarked => {}
            }
        } else {
            contents::validate(&connection, &vault, Some(options.mode), directory)
                .map_err(|error| error.in_file(&file))?;
            contents::check_pages(&mut connection, &file)?;
        }
        configure(&connection, options.durability)?;
        migrations::runner().run(&mut connection).map_err(|e| OpenError::Schema(Box::new(e)))?;
        // Set only after the migrations: one may sort more than fits into memory.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        check_key(&connection, &vault, directory)?;
        fix_mode(&mut connection, &vault, options)?;
        if matches!(found, Found::Unmarked) {
            Marker::new(options.clock.now()).write(directory)?;
        }
        let health = Health::default();
        let clock = options.clock.clone();
        if let Some(seconds) = deployment_value::<i64>(&connection, "clock_advanced_seconds")? {
            clock.set_advanced_seconds(seconds);
        }
        let accepted = options.accept_clock;
        let timekeeping = Timekeeping::start(&connection, &clock, &health, options.mode, accepted)?;
        let (claims, person_cache) =
            (Arc::new(ClaimBook::default()), Arc::new(people::PersonCache::default()));

        let readers = || (0..READERS_PER_LANE).map(|_| open_reader(&file)).collect::<Result<Vec<_>, _>>();
        let readers = Readers::new(readers()?, readers()?, health.clone());
        let for_checkpoints = Connection::open(&file)?;
        configure(&for_checkpoints, options.durability)?;
        let callers = Arc::<CallerCache>::default();
        let box_index = Arc::new(BoxIndex::open(&connection, &options.clock)?);
        let committed = Arc::<tokio::sync::Notify>::default();
        let hooks = CommitHooks {
            people: Arc::clone(&person_cache),
            callers: Arc::clone(&callers),
            box_index: Arc::clone(&box_index),
            committed: Arc::clone(&committed),
        };
        let beside = (for_checkpoints, own);
        let writer = Writer::start(connection, beside, Limits::default(), Box::new(hooks), &health)
            .map_err(io(directory))?;
        let retention_cursor = Arc::default();
        let inner = Inner {
            vault,
            clock,
            mode: options.mode,
            health,
            readers,
            claims,
            handovers: Arc::default(),
            person_cache,
            timekeeping,
            callers,
            box_index,
            index_turn: tokio::sync::Mutex::default(),
            committed,
            retention_cursor,
            writer,
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// `synchronous = FULL` syncs the log at every COMMIT, the durability that SPEC 5 requires. Checkpoints are our own
/// (`writer/checkpoints.rs`), since SQLite's would stall the writer. The log file is overwritten, and truncated only
/// if it has grown far beyond the size at which it restarts.
fn configure(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    stable_plans(connection)?;
    keep_log(connection)?;
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
    keep_log(&connection)?;
    // Enables rarray(?) in statements, for many ids at once.
    rusqlite::vtab::array::load_module(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -2048;")?;
    Ok(connection)
}

/// Makes query plans independent of the bound values. Otherwise an SQLite built with STAT4 re-prepares most
/// statements at every execution, which took three quarters of the writer's time.
fn stable_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Keeps the log when the last connection closes: only the writer checkpoints it, and after a disk failure nobody
/// does.
pub(crate) fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

pub(crate) fn deployment_value<T: rusqlite::types::FromSql>(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<Option<T>> {
    connection.query_row("SELECT value FROM deployment WHERE name = ?1", [name], |row| row.get(0)).optional()
}

pub(crate) fn set_deployment_value(
    connection: &Connection,
    name: &str,
    value: &dyn rusqlite::ToSql,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO deployment (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute(rusqlite::params![name, value])?;
    Ok(())
}

pub(crate) fn check_key(connection: &Connection, vault: &Vault, directory: &Path) -> Result<(), OpenError> {
    connection.execute(
        "INSERT INTO deployment (name, value) VALUES ('key_check', ?1) ON CONFLICT DO NOTHING",
        [vault.key_check()],
    )?;
    if !has_keys(connection, vault)? {
        return Err(OpenError::OtherKey(directory.to_owned()));
    }
    // From now on, values may be sealed under this key.
    let row = master_key_row(vault.sealing_key());
    connection
        .execute("INSERT INTO deployment (name, value) VALUES (?1, '') ON CONFLICT DO NOTHING", [row])?;
    Ok(())
}

/// Whether `vault` has the index key and every master key that values here may be sealed under.
pub(crate) fn has_keys(connection: &Connection, vault: &Vault) -> rusqlite::Result<bool> {
    let stored: Option<[u8; 16]> = deployment_value(connection, "key_check")?;
    let has_index = stored.is_none_or(|stored| stored == vault.key_check());
    Ok(has_index && sealing_keys(connection)?.into_iter().all(|id| vault.has_key(id)))
}

/// The master keys that values here may be sealed under.
pub(crate) fn sealing_keys(connection: &Connection) -> rusqlite::Result<Vec<KeyId>> {
    let mut rows =
        connection.prepare("SELECT name FROM deployment WHERE substr(name, 1, length(?1)) = ?1")?;
    rows.query_map([MASTER_KEY_ROW], |row| known(0, master_key_of_row(row.get_ref(0)?.as_str()?)))?.collect()
}

/// Sets the mode of a new store; a sandbox gets its people in the same transaction.
fn fix_mode(connection: &mut Connection, vault: &Vault, options: &Options) -> Result<(), OpenError> {
    let wanted = options.mode.name();
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
