//! Upgrades a database of the previous version, with its data, while others use it.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use seoham_scratch_postgres::{Cluster, Database};
use seoham_store::personas::MEMBER;
use seoham_store::{Lane, Mode, People, Store, people::Identified};
use seoham_store_contract::world::{World, by_phone, without_older_keys};
use seoham_store_postgres::{OpenError, Options, PostgresStore, migrate};
use seoham_vault::{KeyRing, Vault};
use tokio_postgres::{Client, NoTls};

/// Reverts the migrations after the fifth.
const BACK_TO_THE_FIFTH: &str = "DROP TRIGGER person_has_said ON refusals; DROP FUNCTION person_has_said;
    ALTER TABLE people DROP COLUMN has_said; DROP TABLE link_requests;
    ALTER TABLE authentications DROP COLUMN certificate_locked_until; DROP TABLE given_up_notices;
    ALTER TABLE delivery_retries DROP COLUMN failure; ALTER TABLE access_tokens DROP COLUMN last_used_at;
    DROP INDEX login_links_unused; ALTER TABLE login_links DROP COLUMN document_id; DROP TABLE new_pin_links;
    ALTER TABLE contracts DROP CONSTRAINT contracts_authentication_check,
      ADD CONSTRAINT contracts_authentication_check CHECK (authentication IN ('pin', 'certificate'));
    ALTER TABLE authentications DROP COLUMN birthday_failures, DROP COLUMN birthday_locked_until;
    ALTER TABLE contracts DROP COLUMN card; DROP TABLE institution_marks, agreements, agreed_texts;
    DELETE FROM refinery_schema_history WHERE version > 5";

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

async fn until(client: &Client, what: &'static str) {
    for _ in 0..3_000 {
        if client.query_one(what, &[]).await.expect("answers").get(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refused_before_still_refuses() {
    let (database, vault) = (database().await, Arc::new(Vault::new(&KeyRing::generate())));
    let open = async || {
        let store = PostgresStore::open(&options(&database), Arc::clone(&vault)).await.expect("opens");
        Arc::new(store) as Arc<dyn Store>
    };
    let world = World::new(open().await).await;
    world.person("01011112222", true).await;
    world.person("01033334444", true).await;
    let refuser = world.recipient("01011112222", "19800229").await.person;
    world.store.set_refusal(refuser, world.city.institution, true).await.expect("refuses");
    let city = world.city.institution;
    drop(world);
    connect(&database).await.batch_execute(BACK_TO_THE_FIFTH).await.expect("as it was before");

    let store = open().await;
    let asked = vec![by_phone("01011112222", "19800229"), by_phone("01033334444", "19800229")];
    let verdicts = store.identify(Lane::Bulk, city, asked).await.expect("answers");
    assert!(matches!(verdicts[..], [Identified::Refused, Identified::Found(_)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_does_not_have_others_queue_behind_it() {
    let database = database().await;
    drop(
        PostgresStore::open(&options(&database), Arc::new(Vault::new(&KeyRing::generate())))
            .await
            .expect("opens"),
    );
    let (dump, reader) = (connect(&database).await, connect(&database).await);
    let newest = "SELECT max(version)::bigint FROM refinery_schema_history";
    let newest: i64 = reader.query_one(newest, &[]).await.expect("answers").get(0);
    dump.batch_execute(BACK_TO_THE_FIFTH).await.expect("as it was before");
    dump.batch_execute("BEGIN; SELECT FROM people").await.expect("a dump reads for long");

    let of_migration = options(&database);
    let migration = tokio::spawn(async move { migrate(&of_migration).await });
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'people'::regclass AND NOT granted)";
    until(&reader, waits).await;
    // The read queues behind the migration while the dump continues, so the migration must give way.
    let reading =
        tokio::time::timeout(Duration::from_secs(60), reader.query("SELECT FROM people", &[])).await;
    assert!(!reading.expect("it is let through").expect("read").is_empty());
    assert!(!migration.is_finished(), "it is tried again");

    dump.batch_execute("COMMIT").await.expect("ends");
    let steps = migration.await.expect("runs").expect("succeeds");
    assert_eq!(i64::try_from(steps).expect("few"), newest - 5);
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
