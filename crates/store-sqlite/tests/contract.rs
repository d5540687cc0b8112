//! The embedded store keeps all guarantees of the storage traits.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;

use seoham_model::BinderId;
use seoham_store::{Mode, Store};
use seoham_store_contract::damaged_parts;
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

async fn damage(directory: &TempDir, document: BinderId) {
    let database = rusqlite::Connection::open(directory.path().join("seoham.db")).expect("opens");
    let parcel = document.parcel();
    let sql = "SELECT head, parts FROM parcels WHERE parcel_id = ?1";
    let columns = database.query_row(sql, [parcel.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    let (head, parts) = columns.expect("there");
    let damaged = damaged_parts(head, parts, document.position());
    let sql = "UPDATE parcels SET parts = ?2 WHERE parcel_id = ?1";
    database.execute(sql, rusqlite::params![parcel.as_bytes(), damaged]).expect("written");
}

seoham_store_contract::store_contract!(open, damage);
