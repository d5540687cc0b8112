//! The embedded store keeps all guarantees of the storage traits.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;

use seoham_store::{Mode, Store};
use seoham_store_sqlite::{Options, SqliteStore};
use seoham_vault::{KeyRing, Vault};
use tempfile::TempDir;

async fn open() -> (Arc<dyn Store>, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = Options { create: true, ..Options::new(directory.path().to_owned(), Mode::Sandbox) };
    let vault = Arc::new(Vault::new(&KeyRing::generate()));
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&options, vault)).await;
    let store = opened.expect("it does not panic").expect("an empty store opens");
    (Arc::new(store), directory)
}

seoham_store_contract::store_contract!(open);
