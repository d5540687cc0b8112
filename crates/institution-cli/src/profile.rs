//! Profiles: platform, access token and contract. One file of mode 0600 holds several profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use seoham_vault::{PrivateFileError, read_private};
use serde::{Deserialize, Serialize};

use super::own_files::{user_directory, write_settings};
use crate::terminal::{Failure, Outcome};

/// The profile that is used by default.
pub(crate) const DEFAULT: &str = "default";

/// A profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The address of the API listener, which serves all calls.
    pub(crate) url: String,
    /// The address of the bulk listener, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bulk_url: Option<String>,
    /// The institution's access token.
    pub(crate) access_token: String,
    /// The contract.
    pub(crate) contract_uuid: String,
}

/// All profiles.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// `$XDG_CONFIG_HOME/seoham/profiles.toml`, usually `~/.config/…`.
pub(crate) fn usual_file() -> Option<PathBuf> {
    Some(user_directory("XDG_CONFIG_HOME", ".config")?.join("seoham/profiles.toml"))
}

impl Profiles {
    /// Reads a file; a missing file has no profiles. Rejects a file that other users can read.
    pub(crate) fn read(file: &Path) -> Outcome<Self> {
        let shown = file.display();
        let text = match read_private(file) {
            Ok(text) => text,
            Err(PrivateFileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(PrivateFileError::Io { source, .. }) => {
                return Err(Failure::of_file(file, &source, Failure::Usage));
            }
            Err(error) => return Err(Failure::usage(error.korean().to_string(), error.to_string())),
        };
        // The parser's error message can contain the token.
        toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            Failure::usage(
                format!("{shown}: {line}번째 줄을 읽을 수 없습니다"),
                format!("{shown}: line {line} cannot be read"),
            )
        })
    }

    /// Atomically writes the file with mode 0600.
    pub(crate) fn write(&self, file: &Path) -> std::io::Result<()> {
        write_settings(file, self)
    }
}
