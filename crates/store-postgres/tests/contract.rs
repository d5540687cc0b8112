//! The shared store keeps all guarantees of the storage traits.

#![allow(missing_docs, reason = "a test is documented by its name")]

mod plans;

use std::sync::Arc;

use plans::Explained;

use seoham_model::BinderId;
use seoham_store::{Mode, Store};
use seoham_store_contract::damaged_parts;
use seoham_store_postgres::{Options, PostgresStore};
use seoham_vault::{KeyRing, Vault};
use tokio_postgres::NoTls;

async fn open() -> (Arc<dyn Store>, Explained) {
    let database = tokio::task::spawn_blocking(Explained::new).await.expect("a database");
    let options = Options {
        create: true,
        interactive_connections: 4,
        ..Options::new(database.url().into(), Mode::Sandbox)
    };
    let vault = Arc::new(Vault::new(&KeyRing::generate()));
    let store = PostgresStore::open(&options, vault).await.expect("an empty database opens");
    database.is_thought_empty().await;
    (Arc::new(store), database)
}

async fn damage(database: &Explained, document: BinderId) {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.expect("connects");
    tokio::spawn(connection);
    let parcel = uuid::Uuid::from_bytes(*document.parcel().as_bytes());
    let sql = "SELECT head, parts FROM parcels WHERE parcel_id = $1";
    let row = client.query_one(sql, &[&parcel]).await.expect("there");
    let damaged = damaged_parts(row.get(0), row.get(1), document.position());
    let sql = "UPDATE parcels SET parts = $2 WHERE parcel_id = $1";
    client.execute(sql, &[&parcel, &damaged]).await.expect("written");
}

seoham_store_contract::store_contract!(open, damage);
