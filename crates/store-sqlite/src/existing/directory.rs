//! A data directory: its lock, its contents, and the log that the last process left.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use super::log::{self, Verdict};
use super::marker::Marker;
use crate::OpenError;
use crate::open::{DATABASE, LOG};

/// What a directory contains of a store.
pub(crate) enum Found {
    /// A marker and a database.
    Marked(Marker),
    /// A database without a marker, or nothing at all.
    Unmarked,
}

impl Found {
    /// Rejects a directory with a missing part, one that was moved away, and an empty one unless `create` is set.
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

/// Verifies the log that the last process left, before SQLite reads it, and makes sure that it is on disk.
pub(crate) fn verify_log(directory: &Path, discard_torn: bool) -> Result<(), OpenError> {
    match read_log(directory, discard_torn)? {
        Some(bytes) => log::write_back(&directory.join(LOG), bytes),
        None => Ok(()),
    }
}

/// Verifies the log that the last process left. Changes nothing.
pub(crate) fn check_log(directory: &Path) -> Result<(), OpenError> {
    read_log(directory, false).map(drop)
}

/// The length of the log in bytes up to its last commit, if there is a log.
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

/// The lock of a data directory. It ends when this is dropped, even while a process that was just started still has a copy
/// of the file.
pub(crate) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file does the same, unless there are copies.
        let _ = self.0.unlock();
    }
}

/// Locks the directory itself: there is no lock file that somebody could delete.
pub(crate) fn lock(directory: &Path) -> Result<DirectoryLock, OpenError> {
    let io = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => OpenError::NoStore(directory.to_owned()),
        _ => OpenError::Io { path: directory.to_owned(), source },
    };
    let opened = File::open(directory).map_err(io)?;
    match opened.try_lock() {
        Ok(()) => Ok(DirectoryLock(opened)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}
