//! Opening a data directory: the lock, the schema, the key, the mode.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use seoham_model::Clock;
use seoham_store::{Health, Mode, personas};
use seoham_vault::Vault;

use crate::box_index::BoxIndex;
use crate::callers::KnownCallers;
use crate::columns::is_disk_failure;
use crate::companions::Companions;
use crate::deliveries::ClaimBook;
use crate::existing::log::Verdict;
use crate::existing::marker::{MARKER, Marker};
use crate::existing::{contents, log};
use crate::readers::Readers;
use crate::timekeeping::Timekeeping;
use crate::writer::{Limits, Writer};
use crate::{Inner, SqliteStore, migrations, people};

/// How to open the store.
pub struct Options {
    /// The directory.
    pub directory: PathBuf,
    /// Make the directory and the store in it if there is none. Without it a directory that holds no store
    /// is refused: it may be a mount that is missing.
    pub create: bool,
    /// Go on without the last transaction of the log when it does not verify: the operator knows that the
    /// power went while it was being written.
    pub discard_torn_transaction: bool,
    /// The machine's clock is right, whatever the times say that were stored before.
    pub accept_clock: bool,
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
    /// There is something where something new is to be made.
    #[error("{0}: exists already, and is not written over")]
    Exists(PathBuf),
    /// Its schema lacks steps that this program needs.
    #[error(
        "data directory {0}: its schema is behind this program, which brings it up to date when it serves it"
    )]
    Behind(PathBuf),
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
    /// There is no store in it.
    #[error(
        "data directory {0}: holds no store. If one should be here, look whether its disk is mounted. To begin a new \
         one, run `seoham init-store` or start once with --create"
    )]
    NoStore(PathBuf),
    /// A store was here, and a part of it is gone.
    #[error(
        "data directory {directory}: {file} is missing beside the rest of a store. Nothing was changed. Put the file \
         back, or restore a backup with `seoham restore` into a new directory"
    )]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// It was moved away, and is not to be served again.
    #[error(
        "data directory {path}: was moved to {to}; serve it from there. Serving it here too would send every \
         notification twice"
    )]
    Moved {
        /// The directory.
        path: PathBuf,
        /// Where the data is now.
        to: String,
    },
    /// What is there does not read as what was written.
    #[error(
        "{path}{}: damaged: {what}. Nothing was changed. Copy the directory, look at it with `seoham check --deep`, and \
         restore a backup with `seoham restore`", offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes from its beginning.
        offset: Option<u64>,
        /// What was found.
        what: String,
    },
    /// The last transaction of the log is damaged, or was being written when the power went.
    #[error(
        "{path} at byte {offset}: the last transaction of the log is not whole. Nothing was changed. If the machine lost \
         power, this is what was being written then, and nobody was told that it was accepted: start once with \
         --discard-torn-transaction. Otherwise the disk has damaged it: restore a backup with `seoham restore`"
    )]
    Torn {
        /// The log.
        path: PathBuf,
        /// Where it stops to verify, in bytes from its beginning.
        offset: u64,
    },
    /// It is no database of this program.
    #[error("data directory {0}: the database is not one of Seoham's, or of a version that is not known")]
    Foreign(PathBuf),
    /// The files have a form that this program does not know.
    #[error("data directory {0}: was written by a newer Seoham, whose form of it is not known here")]
    OtherFormat(PathBuf),
    /// A newer program has changed the schema.
    #[error(
        "data directory {path}: its schema is at step {version}, and this program knows {known}: use the program that \
         was here last, or a newer one"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// The last step that was taken.
        version: i64,
        /// The last step that is known here.
        known: i64,
    },
    /// SQLite refused.
    #[error("database: {error}{}", hint(.0), error = .0)]
    Sql(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("database schema: {0}")]
    Schema(Box<refinery::Error>),
}

/// What may be behind an error that says little.
fn hint(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(Code::SystemIoFailure | Code::DiskFull) => {
            ". Is there room left on the disk (df), and does the system report errors of it (dmesg)?"
        }
        Some(Code::CannotOpen) => {
            ". May this user read and write the files, and are enough open files allowed (ulimit -n)?"
        }
        Some(Code::ReadOnly) => ". May this user write the files, and is the disk mounted for writing?",
        _ => "",
    }
}

impl OpenError {
    pub(crate) fn damaged(path: &Path, offset: Option<u64>, what: &str) -> Self {
        Self::Damaged { path: path.to_owned(), offset, what: what.to_owned() }
    }

    /// An error of SQLite's that says that `file` is damaged, as one that names the file.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        match self {
            Self::Sql(error) if is_disk_failure(&error) => Self::damaged(file, None, &error.to_string()),
            other => other,
        }
    }
}

/// The database's file in its directory.
pub(crate) const DATABASE: &str = "seoham.db";
/// Its write-ahead log.
pub(crate) const LOG: &str = "seoham.db-wal";

/// Connections that read, for each lane.
const READERS_PER_LANE: usize = 4;

impl SqliteStore {
    /// Whether `directory` holds a store or what is left of one.
    pub fn is_in(directory: &Path) -> bool {
        [DATABASE, LOG, MARKER].iter().any(|file| directory.join(file).exists())
    }

    /// Opens the store in `options.directory`. Whatever is there is validated before anything is changed.
    /// Blocks.
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
        // SQLite gives its other files the mode of this one.
        let own = File::options().create(options.create).truncate(false).write(true).mode(0o600).open(&file);
        // Kept open: closing it would take SQLite's locks on the file with it.
        let own = own.map_err(io(&file))?;
        let mut connection = Connection::open(&file)?;
        stable_plans(&connection)?;
        keep_log(&connection)?;
        if contents::is_empty(&connection).map_err(|error| unreadable(error, &file))? {
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
        // Only now: a migration may sort more than there is memory for.
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
        let (claims, known) = (Arc::new(ClaimBook::default()), Arc::new(people::KnownPeople::default()));

        let readers = || (0..READERS_PER_LANE).map(|_| open_reader(&file)).collect::<Result<Vec<_>, _>>();
        let readers = Readers::new(readers()?, readers()?, health.clone());
        let for_checkpoints = Connection::open(&file)?;
        configure(&for_checkpoints, options.durability)?;
        let callers = Arc::<KnownCallers>::default();
        let box_index = Arc::new(BoxIndex::open(&connection)?);
        let companions = Companions {
            known: Arc::clone(&known),
            callers: Arc::clone(&callers),
            box_index: Arc::clone(&box_index),
        };
        let beside = (for_checkpoints, own);
        let writer = Writer::start(connection, beside, Limits::default(), Box::new(companions), &health)
            .map_err(io(directory))?;
        let looked_at = Arc::default();
        let inner = Inner {
            vault,
            clock,
            mode: options.mode,
            health,
            readers,
            claims,
            known,
            timekeeping,
            callers,
            box_index,
            looked_at,
            writer,
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// What stands for a store in a directory.
pub(crate) enum Found {
    /// A marker and a database.
    Marked(Marker),
    /// A database without a marker, or nothing at all.
    Unmarked,
}

impl Found {
    /// Refuses a directory of which a part is missing, that was moved away, or that holds nothing although
    /// nothing is to be created.
    pub(crate) fn in_directory(directory: &Path, create: bool) -> Result<Self, OpenError> {
        let marker = Marker::read(directory)?;
        let has = |name: &str| {
            let path = directory.join(name);
            path.try_exists().map_err(|source| OpenError::Io { path, source })
        };
        if let Some(to) = marker.as_ref().and_then(|marker| marker.moved_to.clone()) {
            return Err(OpenError::Moved { path: directory.to_owned(), to });
        }
        let has_database = has(DATABASE)?;
        match marker {
            Some(marker) if has_database => Ok(Self::Marked(marker)),
            None if has_database => Ok(Self::Unmarked),
            Some(_) => Err(OpenError::Missing { directory: directory.to_owned(), file: DATABASE }),
            None if has(LOG)? => Err(OpenError::Missing { directory: directory.to_owned(), file: DATABASE }),
            None if create => Ok(Self::Unmarked),
            None => Err(OpenError::NoStore(directory.to_owned())),
        }
    }
}

/// Reads what the last process left in the log, before SQLite does, and has it on the disk for certain.
pub(crate) fn verify_log(directory: &Path, discard_torn: bool) -> Result<(), OpenError> {
    match read_log(directory, discard_torn)? {
        Some(bytes) => log::write_back(&directory.join(LOG), bytes),
        None => Ok(()),
    }
}

/// Reads what the last process left in the log, and changes nothing.
pub(crate) fn check_log(directory: &Path) -> Result<(), OpenError> {
    read_log(directory, false).map(drop)
}

/// The bytes of the log up to its last commit, if it has any.
fn read_log(directory: &Path, discard_torn: bool) -> Result<Option<u64>, OpenError> {
    let path = directory.join(LOG);
    match log::verify(&path)? {
        None => Ok(None),
        Some(Verdict::Sound { bytes }) => Ok(Some(bytes)),
        Some(Verdict::Damaged { offset, later_commits }) => {
            let what = format!(
                "a part of the log does not verify, and {later_commits} transactions stand behind it"
            );
            Err(OpenError::damaged(&path, Some(offset), &what))
        }
        Some(Verdict::LastTransactionTorn { offset }) if !discard_torn => {
            Err(OpenError::Torn { path, offset })
        }
        Some(Verdict::LastTransactionTorn { offset }) => {
            tracing::warn!(offset, "the last transaction of the log is left out, as was asked");
            Ok(None)
        }
    }
}

fn unreadable(error: rusqlite::Error, file: &Path) -> OpenError {
    OpenError::from(error).in_file(file)
}

/// The lock is on the directory itself: there is no file that somebody could remove it with.
pub(crate) fn lock(directory: &Path) -> Result<File, OpenError> {
    let io = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => OpenError::NoStore(directory.to_owned()),
        _ => OpenError::Io { path: directory.to_owned(), source },
    };
    let opened = File::open(directory).map_err(io)?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Durability is what SPEC 5 promises: `synchronous = FULL` syncs the log at every COMMIT.
/// Checkpoints are our own (`writer/checkpoints.rs`): SQLite's would stall the writer. The log is written
/// over, and cut down only where it has grown far beyond where it is begun anew.
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

/// The last connection to go leaves the log as it is: what is in it is carried over by the writer, or, after a
/// failure of the disk, not at all.
pub(crate) fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
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
