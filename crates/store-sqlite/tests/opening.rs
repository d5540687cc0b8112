//! What a data directory is opened with is fixed, and one process has it.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::path::Path;
use std::sync::Arc;

use seoham_store::{Deployment, Mode};
use seoham_store_sqlite::{OpenError, Options, SqliteStore};
use seoham_vault::{MasterKey, Vault};

fn open(directory: &Path, mode: Mode, key: &MasterKey) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(&Options::new(directory.to_owned(), mode), Arc::new(Vault::new(key)))
}

#[tokio::test]
async fn the_clock_and_the_mode_outlive_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = MasterKey::generate();
    let store = open(directory.path(), Mode::Sandbox, &key).expect("opens");
    let advanced = store.advance_clock(5_000).await.expect("advances");
    drop(store);
    let store = open(directory.path(), Mode::Sandbox, &key).expect("opens again");
    assert!(store.clock().now() >= advanced);
    drop(store);
    let refused = open(directory.path(), Mode::Live, &key);
    assert!(matches!(refused, Err(OpenError::OtherMode { sandbox: true, .. })));
}

#[tokio::test]
async fn a_second_opening_and_another_key_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = MasterKey::generate();
    let store = open(directory.path(), Mode::Live, &key).expect("opens");
    assert!(matches!(open(directory.path(), Mode::Live, &key), Err(OpenError::InUse(_))));
    drop(store);
    let other = MasterKey::generate();
    assert!(matches!(open(directory.path(), Mode::Live, &other), Err(OpenError::OtherKey(_))));
    assert!(open(directory.path(), Mode::Live, &key).is_ok());
}
