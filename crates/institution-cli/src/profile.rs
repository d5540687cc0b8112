//! Profiles: where an institution sends, with which token, under which contract. One file of mode
//! 0600, several profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use seoham_vault::{PrivateFileError, read_private};
use serde::{Deserialize, Serialize};

use super::own_files::{user_directory, write_settings};
use crate::terminal::{Failure, Outcome};

/// The profile that is used when none is named.
pub(crate) const DEFAULT: &str = "default";

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The api listener, which serves everything.
    pub(crate) url: String,
    /// The bulk listener, when bulk calls go elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bulk_url: Option<String>,
    /// The institution's access token.
    pub(crate) access_token: String,
    /// The contract.
    pub(crate) contract_uuid: String,
}

/// All of them.
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
    /// Reads a file; none is no profile. One that others can read is refused.
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
        // What the parser says can repeat the token.
        toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            Failure::usage(
                format!("{shown}: {line}번째 줄을 읽을 수 없습니다"),
                format!("{shown}: line {line} cannot be read"),
            )
        })
    }

    /// Writes the file with mode 0600, whole or not at all.
    pub(crate) fn write(&self, file: &Path) -> std::io::Result<()> {
        write_settings(file, self)
    }
}
