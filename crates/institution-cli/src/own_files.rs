//! The user's own files: their directories, and atomic writes that only the user can read.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The XDG directory of `variable`, or else `below_home`. Relative paths are ignored, as XDG specifies.
pub(crate) fn user_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

/// Writes a TOML settings file readable only by its owner, and creates its directory if needed.
pub(crate) fn write_settings(path: &Path, settings: &impl Serialize) -> io::Result<()> {
    let text = toml::to_string(settings).map_err(io::Error::other)?;
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write_private(path, |file| file.write_all(text.as_bytes()))
}

/// Atomically and durably writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let _ = fs::remove_file(&partial);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&partial)?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&partial, path)).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}
