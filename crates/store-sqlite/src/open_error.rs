//! Why a data directory cannot be opened, with messages that tell an operator what to do.

use std::path::{Path, PathBuf};

use crate::columns::is_disk_failure;

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file system error.
    #[error("data directory {path}: {source}")]
    Io {
        /// The directory or a file in it.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The target already exists.
    #[error("{0}: exists already, and is not written over")]
    Exists(PathBuf),
    /// The schema lacks migrations that this program needs.
    #[error(
        "data directory {0}: its schema is behind this program, which brings it up to date when it serves it"
    )]
    Behind(PathBuf),
    /// Another process uses it.
    #[error("data directory {0}: another seoham process is using it")]
    InUse(PathBuf),
    /// It was sealed under another master key.
    #[error("data directory {0}: was sealed under another master key than the one given")]
    OtherKey(PathBuf),
    /// Another mode than the stored one was requested.
    #[error("data directory {path}: was created {}, and this is fixed", if *.sandbox { "as a sandbox (start with --sandbox)" } else { "for live people (start without --sandbox)" })]
    OtherMode {
        /// The directory.
        path: PathBuf,
        /// Whether it is a sandbox.
        sandbox: bool,
    },
    /// The directory holds no store.
    #[error(
        "data directory {0}: holds no store. If one should be here, look whether its disk is mounted. To begin a new \
         one, run `seoham init-store` or start once with --create"
    )]
    NoStore(PathBuf),
    /// A part of the store is missing.
    #[error(
        "data directory {directory}: {file} is missing beside the rest of a store. Nothing was changed. Put the file \
         back, or restore a backup with `seoham restore` into a new directory"
    )]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// The missing file.
        file: &'static str,
    },
    /// The store was moved away and must not be served from here again.
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
    /// The contents are damaged.
    #[error(
        "{path}{}: damaged: {what}. Nothing was changed. Copy the directory, look at it with `seoham check --deep`, and \
         restore a backup with `seoham restore`", offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The offset of the damage, in bytes.
        offset: Option<u64>,
        /// What was found.
        what: String,
    },
    /// The last transaction of the log is damaged, or power failed while it was written.
    #[error(
        "{path} at byte {offset}: the last transaction of the log is not whole. Nothing was changed. If the machine lost \
         power, this is what was being written then, and nobody was told that it was accepted: start once with \
         --discard-torn-transaction. Otherwise the disk has damaged it: restore a backup with `seoham restore`"
    )]
    Torn {
        /// The log.
        path: PathBuf,
        /// The offset of the first part that does not verify, in bytes.
        offset: u64,
    },
    /// The database does not belong to this program.
    #[error("data directory {0}: the database is not one of Seoham's, or of a version that is not known")]
    Foreign(PathBuf),
    /// The files have a format that this program does not support.
    #[error("data directory {0}: was written by a newer Seoham, whose form of it is not known here")]
    OtherFormat(PathBuf),
    /// It was made before the parcels, with one row per document.
    #[error(
        "data directory {0}: was made by an earlier Seoham, which stored a row for each document; this program cannot \
         read it. Keep using the earlier program with it, or begin a new directory"
    )]
    Older(PathBuf),
    /// A newer program migrated the schema.
    #[error(
        "data directory {path}: its schema is at step {version}, and this program knows {known}: use the program that \
         was here last, or a newer one"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// The last applied migration.
        version: i64,
        /// The last migration known here.
        known: i64,
    },
    /// An SQLite error.
    #[error("database: {error}{}", hint(.0), error = .0)]
    Sql(#[from] rusqlite::Error),
    /// A migration failed.
    #[error("database schema: {0}")]
    Schema(Box<refinery::Error>),
}

/// A possible cause of an error that says little by itself.
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

    /// Adds the name of `file` to an SQLite error that reports damage.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        match self {
            Self::Sql(error) if is_disk_failure(&error) => Self::damaged(file, None, &error.to_string()),
            other => other,
        }
    }
}
