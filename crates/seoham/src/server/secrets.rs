//! The master key and the operator's token: configured, or generated at the first start where that is safe.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail};
use secrecy::ExposeSecret;
use seoham_institution_cli::terminal::localized;
use seoham_store_sqlite::SqliteStore;
use seoham_vault::{AdminToken, KeyFileError, KeyRing, TokenHash, read_private};

use crate::config::Config;

/// Reads a key file.
pub(crate) fn read_key_ring(file: &Path) -> Result<KeyRing> {
    KeyRing::read(file).map_err(|error| of_key_file(&error))
}

/// The error as a message of its own: it has its cause in it.
pub(crate) fn of_key_file(error: &KeyFileError) -> Error {
    anyhow!(localized(&error.korean(), &error.to_string()))
}

/// The key ring. Only a sandbox generates it beside the data, where a key protects nobody.
pub(super) fn key_ring(config: &Config) -> Result<KeyRing> {
    if let Some(file) = &config.keys.master_file {
        return read_key_ring(file);
    }
    if config.store.database.is_some() {
        bail!(
            "keys.master_file: nodes that share a database need the same master key; make one with `seoham keys new \
             FILE` and name it in the configuration of each or in SEOHAM_KEYS__MASTER_FILE"
        );
    }
    if !config.store.sandbox {
        bail!(
            "keys.master_file: live people need a master key that is kept apart from the data; make one with \
             `seoham keys new FILE` and name it in the configuration or in SEOHAM_KEYS__MASTER_FILE"
        );
    }
    let file = config.store.data.join("master.key");
    if !file.exists() {
        if SqliteStore::is_in(&config.store.data) {
            bail!("{}: is missing beside the data that is sealed under it; put it back", file.display());
        }
        KeyRing::generate().write_new(&file).map_err(|error| of_key_file(&error))?;
    }
    read_key_ring(&file)
}

/// The hash of the operator's token, and the file that holds the token if it was generated here.
pub(super) fn admin_token(config: &Config) -> Result<(TokenHash, Option<PathBuf>)> {
    if let Some(token) = &config.admin.token {
        let token = token.expose_secret();
        if token.len() < 16 {
            bail!("admin.token: must be at least 16 characters");
        }
        return Ok((TokenHash::of(token), None));
    }
    super::store::make_directory(config)?;
    let file = config.store.data.join("admin.token");
    let context = || format!("admin token {}", file.display());
    if !file.exists() {
        let mut made = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .with_context(context)?;
        writeln!(made, "{}", AdminToken::generate().expose()).with_context(context)?;
        made.sync_all().with_context(context)?;
    }
    let token = read_private(&file).context("admin token")?;
    if token.len() < 16 {
        bail!("{}: holds no token of at least 16 characters; delete it to have one made", file.display());
    }
    Ok((TokenHash::of(&token), Some(file)))
}
