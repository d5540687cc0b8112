//! The files of whoever runs a command: where they lie, and writing them so that nobody else reads them and none is
//! there in part.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Where the XDG directory of `variable` is, or else `below_home`. Relative ones count for nothing, as XDG says.
pub(crate) fn user_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

/// Writes a TOML file of settings for its owner alone, and makes its directory if that is not there.
pub(crate) fn write_settings(path: &Path, settings: &impl Serialize) -> io::Result<()> {
    let text = toml::to_string(settings).map_err(io::Error::other)?;
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write_private(path, |file| file.write_all(text.as_bytes()))
}

/// Writes a file for its owner alone, which is there whole and on the disk, or not at all.
pub(crate) fn write_private(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let _ = fs::remove_file(&partial);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&partial)?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&partial, path)).inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}
