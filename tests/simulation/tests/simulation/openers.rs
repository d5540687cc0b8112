//! The stores under simulation.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use seoham_model::Clock;
use seoham_scratch_postgres::{Cluster, Database};
use seoham_simulation::{Opener, Traits};
use seoham_store::{Mode, Store};
use seoham_store_postgres::PostgresStore;
use seoham_store_sqlite::{Durability, SqliteStore};
use seoham_vault::{KeyRing, Vault};
use tempfile::TempDir;

/// The embedded store, in an in-memory file system if there is one.
pub(crate) struct Sqlite {
    directory: TempDir,
    vault: Arc<Vault>,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let vault = Arc::new(Vault::new(&KeyRing::generate()));
        Self { directory: directory.expect("a directory"), vault }
    }

    pub(crate) async fn open_store(&self, clock: Clock) -> SqliteStore {
        let options = seoham_store_sqlite::Options {
            create: true,
            clock,
            durability: Durability::Process,
            ..seoham_store_sqlite::Options::new(self.directory.path().to_owned(), Mode::Sandbox)
        };
        let vault = Arc::clone(&self.vault);
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&options, vault)).await;
        opened.expect("it does not panic").expect("the store opens")
    }
}

#[async_trait]
impl Opener for Sqlite {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        Arc::new(self.open_store(clock).await)
    }

    fn traits(&self) -> Traits {
        Traits { claims_outlive_crashes: false, claimed_at_least: 1 }
    }
}

/// The shared store, in a database of its own.
pub(crate) struct Postgres {
    database: Database,
    vault: Arc<Vault>,
}

impl Postgres {
    /// Blocks.
    pub(crate) fn new() -> Self {
        let database = Cluster::shared().database();
        Self { database, vault: Arc::new(Vault::new(&KeyRing::generate())) }
    }
}

#[async_trait]
impl Opener for Postgres {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        let url = self.database.url().into();
        let options = seoham_store_postgres::Options {
            clock,
            create: true,
            interactive_connections: 2,
            bulk_connections: 2,
            ..seoham_store_postgres::Options::new(url, Mode::Sandbox)
        };
        let opened = PostgresStore::open(&options, Arc::clone(&self.vault)).await;
        Arc::new(opened.expect("the store opens"))
    }

    fn traits(&self) -> Traits {
        // Retries get a quarter of a claim: enough for each of four institutions.
        Traits { claims_outlive_crashes: true, claimed_at_least: 16 }
    }
}
