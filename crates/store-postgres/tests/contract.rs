//! The shared store keeps all guarantees of the storage traits.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;

use seoham_scratch_postgres::{Cluster, Database};
use seoham_store::{Mode, Store};
use seoham_store_postgres::{Options, PostgresStore};
use seoham_vault::{KeyRing, Vault};

async fn open() -> (Arc<dyn Store>, Database) {
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let options = Options {
        create: true,
        interactive_connections: 4,
        ..Options::new(database.url().into(), Mode::Sandbox)
    };
    let vault = Arc::new(Vault::new(&KeyRing::generate()));
    let store = PostgresStore::open(&options, vault).await.expect("an empty database opens");
    (Arc::new(store), database)
}

seoham_store_contract::store_contract!(open);
