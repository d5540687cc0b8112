//! Chooses and opens the store according to the configuration.

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use seoham_store::retention::RETENTION_DAYS_MIN;
use seoham_store::{Mode, Store};
use seoham_store_postgres::PostgresStore;
use seoham_store_sqlite::SqliteStore;
use seoham_vault::{Vault, require_private_directory};
use tokio::runtime::Handle;

use super::secrets;
use crate::config::{Config, Role};

/// Checks the store's section of the configuration.
pub(super) fn check(config: &Config) -> Result<()> {
    let store = &config.store;
    if store.retention_days.is_some_and(|days| days < RETENTION_DAYS_MIN) {
        bail!("store.retention_days: must be at least {RETENTION_DAYS_MIN}");
    }
    if store.database.is_some() {
        return Ok(seoham_store_postgres::check(&database(config)?)?);
    }
    if config.node.role != Role::All {
        bail!("--role {}: the embedded store is one process; roles apart need --database", config.node.role);
    }
    Ok(())
}

/// Opens the store. The background tasks of a shared one run on the runtime `bulk`.
pub(super) async fn open(config: &Config, bulk: &Handle) -> Result<Arc<dyn Store>> {
    if config.store.database.is_some() {
        let (options, vault) = (database(config)?, vault(config)?);
        let opened = bulk.spawn(async move { PostgresStore::open(&options, vault).await }).await;
        return Ok(Arc::new(opened.context("the store")??));
    }
    if config.store.create {
        make_directory(config)?;
    }
    let options = seoham_store_sqlite::Options {
        create: config.store.create,
        discard_torn_transaction: config.store.discard_torn_transaction,
        accept_clock: config.store.accept_clock,
        ..seoham_store_sqlite::Options::new(config.store.data.clone(), mode(config))
    };
    if config.store.data.exists() {
        require_private_directory(&config.store.data).context("data directory")?;
    }
    let vault = vault(config)?;
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&options, vault)).await;
    Ok(Arc::new(opened.context("the store")??))
}

/// Refuses to create a store where there is one, before touching anything.
pub(super) async fn refuse_existing(config: &Config) -> Result<()> {
    if config.store.database.is_some() {
        if seoham_store_postgres::has_store(&database(config)?).await? {
            bail!("the database holds a store already");
        }
    } else if SqliteStore::is_in(&config.store.data) {
        bail!("data directory {}: holds a store already", config.store.data.display());
    }
    Ok(())
}

/// Only its owner can access the directory: there are so few possible PINs that they can be guessed from their
/// hashes.
pub(super) fn make_directory(config: &Config) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.store.data)
        .with_context(|| format!("data directory {}", config.store.data.display()))
}

pub(crate) fn mode(config: &Config) -> Mode {
    if config.store.sandbox { Mode::Sandbox } else { Mode::Live }
}

pub(crate) fn vault(config: &Config) -> Result<Arc<Vault>> {
    Ok(Arc::new(Vault::new(&secrets::key_ring(config)?)))
}

/// The keys of existing data. Generates nothing if a key is missing.
pub(crate) fn vault_of_existing(config: &Config) -> Result<Arc<Vault>> {
    let own = config.store.data.join("master.key");
    match &config.keys.master_file {
        None if config.store.database.is_none() && own.exists() => {
            Ok(Arc::new(Vault::new(&secrets::read_key_ring(&own)?)))
        }
        None => bail!("keys.master_file: name the master key that the data was sealed under"),
        Some(_) => vault(config),
    }
}

/// The options for the shared store.
pub(crate) fn database(config: &Config) -> Result<seoham_store_postgres::Options> {
    let Some(url) = config.store.database.clone() else { bail!("--database: none is given") };
    Ok(seoham_store_postgres::Options {
        ca_file: config.store.database_ca_file.clone(),
        migrate: config.store.migrate,
        create: config.store.create,
        allow_data_loss: config.store.allow_data_loss,
        interactive_connections: config.store.interactive_connections,
        bulk_connections: config.store.bulk_connections,
        ..seoham_store_postgres::Options::new(url, mode(config))
    })
}
