//! Opening a database that has data already.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;

use secrecy::ExposeSecret;
use seoham_scratch_postgres::{Cluster, Database};
use seoham_store::personas::MEMBER;
use seoham_store::{Mode, People};
use seoham_store_contract::world::without_older_keys;
use seoham_store_postgres::{OpenError, Options, PostgresStore, migrate};
use seoham_vault::{KeyRing, Vault};
use tokio_postgres::{Client, NoTls};

async fn database() -> Database {
    tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database")
}

fn options(database: &Database) -> Options {
    Options { create: true, interactive_connections: 2, ..Options::new(database.url().into(), Mode::Sandbox) }
}

async fn connect(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.expect("connects");
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_a_row_for_each_document_is_refused_untouched() {
    let database = database().await;
    let client = connect(&database).await;
    let before =
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar, applied_on varchar,
        checksum varchar); INSERT INTO refinery_schema_history VALUES (1, 'initial', '', '0');
        CREATE TABLE contents (content_id uuid); CREATE TABLE documents (document_id uuid)";
    client.batch_execute(before).await.expect("as it was before");
    let vault = Arc::new(Vault::new(&KeyRing::generate()));
    let opened = PostgresStore::open(&options(&database), vault).await;
    assert!(matches!(opened, Err(OpenError::Older)));
    assert!(matches!(migrate(&options(&database)).await, Err(OpenError::Older)));
    let tables =
        "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";
    let tables: i64 = client.query_one(tables, &[]).await.expect("answers").get(0);
    assert_eq!(tables, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchanged_master_key_opens_what_is_there_and_no_key_in_use_may_be_missing() {
    let database = database().await;
    let open =
        async |ring: &KeyRing| PostgresStore::open(&options(&database), Arc::new(Vault::new(ring))).await;
    let reads = async |store: &PostgresStore| {
        let person =
            store.person_by_phone(&MEMBER.into()).await.expect("answers").expect("found by blind index");
        let number = store.phone_number(person).await.expect("opens").expect("there");
        assert_eq!(number.expose_secret(), MEMBER);
    };
    let before = KeyRing::generate();
    reads(&open(&before).await.expect("opens")).await;
    let exchanged = before.exchanged();
    reads(&open(&exchanged).await.expect("opens")).await;
    // The index key alone is not enough.
    assert!(matches!(open(&without_older_keys(&exchanged)).await, Err(OpenError::OtherKey)));
    assert!(matches!(open(&KeyRing::generate()).await, Err(OpenError::OtherKey)));
}
