//! Idempotency keys that another transaction is writing, perhaps of a node that was lost.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use seoham_model::{BinderId, ParcelId};
use seoham_scratch_postgres::{Cluster, Database};
use seoham_store::documents::{Acceptance, Accepted};
use seoham_store::idempotency::{IdempotencyKey, KEPT_SECONDS, KeyedItem, Remember, Verdict};
use seoham_store::people::Recipient;
use seoham_store::statistics::Refusals;
use seoham_store::{Mode, StoreError};
use seoham_store_contract::world::{Sender, World, ids};
use seoham_store_postgres::{Options, PostgresStore};
use seoham_vault::{KeyRing, Vault};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

struct Deployment {
    world: World,
    vault: Arc<Vault>,
    database: Database,
}

async fn deployment() -> Deployment {
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let options = Options { create: true, ..Options::new(database.url().into(), Mode::Sandbox) };
    let vault = Arc::new(Vault::new(&KeyRing::generate()));
    let store = PostgresStore::open(&options, Arc::clone(&vault)).await.expect("opens");
    let world = World::new(Arc::new(store)).await;
    world.person("01011112222", true).await;
    Deployment { world, vault, database }
}

fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::parse(name).expect("a key")
}

impl Deployment {
    async fn connect(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(self.database.url(), NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    }

    /// A transaction that has written the first record of a key, and does not end.
    async fn lost_node(&self, sender: Sender, name: &str) -> Client {
        let client = self.connect().await;
        client.batch_execute("BEGIN").await.expect("begins");
        let sql = "INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
                   VALUES ($1, $2, 0, 0, '\\x01')";
        let tag = key(name).tag(&self.vault);
        let institution = Uuid::from_bytes(*sender.institution.as_bytes());
        client.execute(sql, &[&institution, &tag.as_slice()]).await.expect("written");
        client
    }

    async fn accept(
        &self,
        sender: Sender,
        recipient: &Recipient,
        name: Option<&str>,
        next: i32,
    ) -> (Result<Accepted, StoreError>, Vec<BinderId>) {
        let world = &self.world;
        let parcel = ParcelId::generate(&world.clock);
        let sent = ids(parcel, 2);
        let item = |(i, id): (usize, &BinderId)| {
            let item = KeyedItem { external_document_uuid: i.to_string(), content: b"content".to_vec() };
            (Arc::new(item), Verdict::Accepted(*id))
        };
        let items = || sent.iter().enumerate().map(item).collect();
        let acceptance = Acceptance {
            parcel,
            institution: sender.institution,
            contract: sender.contract,
            accepted_at: world.now(),
            documents: world.documents(recipient, 2, world.now().plus(86_400)),
            remember: name.map(|name| Remember { key: key(name), next, items: items() }),
            refused: Refusals::new(),
        };
        (world.store.accept(acceptance).await, sent)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_a_lost_node_is_writing_delays_nobody_else() {
    let deployment = deployment().await;
    let (city, bank) = (deployment.world.city, deployment.world.bank);
    let recipient = deployment.world.recipient("01011112222", "19800229").await;
    let lost = deployment.lost_node(city, "lost").await;
    let done = AtomicBool::new(false);
    let conflicting = async {
        let answer = deployment.accept(city, &recipient, Some("lost"), 0).await.0;
        done.store(true, Ordering::Relaxed);
        answer
    };
    // They come while the conflicting one waits, over and over, and all of them are accepted.
    let others = async {
        let mut rounds = 0;
        while !done.load(Ordering::Relaxed) {
            let (own, other) = (format!("city-{rounds}"), format!("bank-{rounds}"));
            let (plain, own, other) = futures_util::join!(
                deployment.accept(bank, &recipient, None, 0),
                deployment.accept(city, &recipient, Some(&own), 0),
                deployment.accept(bank, &recipient, Some(&other), 0),
            );
            for (answer, _) in [plain, own, other] {
                assert_eq!(answer.expect("is not refused because of another's key"), Accepted::Whole);
            }
            rounds += 1;
        }
        rounds
    };
    let (answer, rounds) = futures_util::join!(conflicting, others);
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(rounds > 2, "{rounds} rounds of others went by while it waited");

    lost.batch_execute("ROLLBACK").await.expect("it is gone");
    let (answer, ids) = deployment.accept(city, &recipient, Some("lost"), 0).await;
    assert_eq!(answer.expect("the key is free"), Accepted::Whole);
    assert!(deployment.world.status(city, ids[0]).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_being_added_to_an_old_key_keeps_the_key() {
    let deployment = deployment().await;
    let world = &deployment.world;
    let recipient = world.recipient("01011112222", "19800229").await;
    assert!(deployment.accept(world.city, &recipient, Some("old"), 0).await.0.is_ok());
    world.advance(u32::try_from(KEPT_SECONDS).expect("fits") + 5).await;
    // Another node adds the next record, and has not committed yet.
    let adding = deployment.connect().await;
    let sql = "BEGIN; SELECT 1 FROM idempotency_records FOR KEY SHARE;
               INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
               SELECT institution_id, key_tag, 1, 9999999999, verdicts FROM idempotency_records";
    adding.batch_execute(sql).await.expect("added");
    world.store.tidy(None, world.now()).await.expect("tidies");
    adding.batch_execute("COMMIT").await.expect("commits");
    world.store.tidy(None, world.now()).await.expect("tidies");
    let reader = deployment.connect().await;
    let records = "SELECT count(*) FROM idempotency_records";
    let records: i64 = reader.query_one(records, &[]).await.expect("answers").get(0);
    assert_eq!(records, 2, "the young record keeps the old one");

    // What is forgotten cannot be added to.
    world.store.tidy(None, world.now()).await.expect("tidies");
    reader.execute("UPDATE idempotency_records SET recorded_at = 0", &[]).await.expect("made old");
    world.store.tidy(None, world.now()).await.expect("tidies");
    let (answer, _) = deployment.accept(world.city, &recipient, Some("old"), 2).await;
    assert_eq!(answer.expect("answers"), Accepted::KeyMoved);
}
