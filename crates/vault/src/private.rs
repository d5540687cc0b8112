//! Reads files that hold a secret, under one rule: only their owner can read them.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a secret file was rejected.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// An I/O error.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Other users can read it.
    #[error("{0}: holds a secret that others can read; run chmod 600 {0}")]
    Open(PathBuf),
    /// Other users can write to the directory.
    #[error("{0}: others can change what is in the directory; run chmod 700 {0}")]
    OpenDirectory(PathBuf),
}

/// Rejects a file that other users can read. Files owned by root and readable by our group are accepted,
/// because service managers provide secrets like that.
pub fn require_private(path: &Path) -> Result<(), PrivateFileError> {
    let file = metadata(path)?;
    let own = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == file.uid());
    let too_much = if !own && file.uid() == 0 { 0o037 } else { 0o077 };
    if file.permissions().mode() & too_much == 0 {
        Ok(())
    } else {
        Err(PrivateFileError::Open(path.to_owned()))
    }
}

/// Rejects a directory in which other users can create or remove files.
pub fn require_private_directory(path: &Path) -> Result<(), PrivateFileError> {
    if metadata(path)?.permissions().mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(PrivateFileError::OpenDirectory(path.to_owned()))
    }
}

/// The text of a secret file, without a byte order mark and surrounding white space.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, PrivateFileError> {
    require_private(path)?;
    let read = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = read.map_err(|source| PrivateFileError::Io { path: path.to_owned(), source })?;
    Ok(Zeroizing::new(text.trim_start_matches('\u{feff}').trim().to_owned()))
}

fn metadata(path: &Path) -> Result<std::fs::Metadata, PrivateFileError> {
    std::fs::metadata(path).map_err(|source| PrivateFileError::Io { path: path.to_owned(), source })
}

impl PrivateFileError {
    /// The message in Korean.
    pub fn korean(&self) -> impl fmt::Display {
        match self {
            Self::Io { path, source } => format!("{}: {source}", path.display()),
            Self::Open(path) => {
                let path = path.display();
                format!(
                    "{path}: 다른 사용자가 비밀 값을 읽을 수 있습니다. chmod 600 {path} 을 실행해 주십시오"
                )
            }
            Self::OpenDirectory(path) => {
                let path = path.display();
                format!(
                    "{path}: 다른 사용자가 디렉터리의 내용을 바꿀 수 있습니다. chmod 700 {path} 을 실행해 주십시오"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_read_is_no_secret() {
        let directory = std::env::temp_dir().join(format!("seoham-private-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&directory).expect("made");
        let file = directory.join("token");
        std::fs::write(&file, "\u{feff}secret\r\n").expect("written");
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("set");
        };
        for (mode, is_private) in
            [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)]
        {
            set(&file, mode);
            assert_eq!(read_private(&file).is_ok(), is_private, "{mode:o}");
        }
        set(&file, 0o600);
        assert_eq!(read_private(&file).expect("read").as_str(), "secret");
        for (mode, is_private) in
            [(0o700, true), (0o755, true), (0o777, false), (0o770, false), (0o1777, false)]
        {
            set(&directory, mode);
            assert_eq!(require_private_directory(&directory).is_ok(), is_private, "{mode:o}");
        }
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}
