//! The master key and its file: 32 random bytes in base64 (DESIGN: `keys.master_file`).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::private::{PrivateFileError, read_private};

/// A deployment's master key. Whoever has it can read every personal value of the deployment.
pub struct MasterKey(SecretBox<[u8; 32]>);

/// Why a key file could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something other than 32 bytes in base64.
    #[error("key file {0}: must hold 32 bytes in base64 on one line")]
    Form(PathBuf),
    /// It cannot be read, or others can read it too.
    #[error("key file {0}")]
    Unread(#[from] PrivateFileError),
}

impl MasterKey {
    /// A new random key.
    pub fn generate() -> Self {
        let mut bytes = [0u8; 32];
        aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source answers");
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// Reads a key file; one that others can read is refused.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_private(path)?;
        let bytes = STANDARD.decode(text.as_str()).map(Zeroizing::new);
        let bytes: Option<[u8; 32]> = bytes.ok().and_then(|b| b.as_slice().try_into().ok());
        let bytes = bytes.ok_or_else(|| KeyFileError::Form(path.to_owned()))?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// Writes the key into a new file of mode 0600, durably; an existing file is never touched.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(self.0.expose_secret())));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
    }

    pub(crate) fn bytes(&self) -> &SecretBox<[u8; 32]> {
        &self.0
    }
}
