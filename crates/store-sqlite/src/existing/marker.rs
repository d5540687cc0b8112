//! The marker: the file that identifies a directory as a store and records whether the store was moved away.
//!
//! Without it, an empty directory, such as an unmounted mount point, would look like a new store.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use seoham_model::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::OpenError;

/// Its file name.
pub(crate) const MARKER: &str = "seoham.store";
const EXPLANATION: &str =
    "# This directory holds a Seoham store, of which this file is a part. Keep it with the rest.\n";
/// The format version of the directory that this program supports.
const FORMAT: u32 = 1;

/// Its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marker {
    format: u32,
    created_at: i64,
    /// Where the data was moved to, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moved_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_at: Option<i64>,
}

impl Marker {
    /// The marker of a new store.
    pub(crate) fn new(now: UnixSeconds) -> Self {
        Self { format: FORMAT, created_at: now.0, moved_to: None, moved_at: None }
    }

    /// The marker in `directory`, if there is one.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = directory.join(MARKER);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let damaged = |what: &str| OpenError::damaged(&path, None, what);
        let marker: Self = toml::from_str(&text).map_err(|_| damaged("it does not read as a marker"))?;
        if marker.format != FORMAT {
            return Err(OpenError::OtherFormat(directory.to_owned()));
        }
        Ok(Some(marker))
    }

    /// The same marker, recording that the store moved to `to`.
    pub(crate) fn moved(&self, to: &str, now: UnixSeconds) -> Self {
        Self { moved_to: Some(to.to_owned()), moved_at: Some(now.0), ..self.clone() }
    }

    /// Writes it into `directory` atomically and durably, even across a power failure.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), OpenError> {
        let (path, new) = (directory.join(MARKER), directory.join(format!("{MARKER}.new")));
        let io = |path: &PathBuf| {
            let path = path.clone();
            move |source| OpenError::Io { path, source }
        };
        let text = toml::to_string(self).map_err(|e| io(&new)(std::io::Error::other(e)))?;
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(io(&new))?;
        file.write_all(EXPLANATION.as_bytes())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(io(&new))?;
        file.sync_all().map_err(io(&new))?;
        std::fs::rename(&new, &path).map_err(io(&path))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(io(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_as_it_was_written() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(Marker::read(directory.path()).expect("read"), None);
        let marker = Marker::new(UnixSeconds(5)).moved("postgres://db/seoham", UnixSeconds(6));
        marker.write(directory.path()).expect("written");
        assert_eq!(Marker::read(directory.path()).expect("read"), Some(marker));
    }

    #[test]
    fn a_marker_of_another_form_or_that_does_not_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |text: &str| std::fs::write(directory.path().join(MARKER), text).expect("written");
        put("format = 2\ncreated_at = 5\n");
        assert!(matches!(Marker::read(directory.path()), Err(OpenError::OtherFormat(_))));
        for damaged in ["", "\0\0\0\0", "format = 1"] {
            put(damaged);
            assert!(matches!(Marker::read(directory.path()), Err(OpenError::Damaged { .. })), "{damaged}");
        }
    }
}
