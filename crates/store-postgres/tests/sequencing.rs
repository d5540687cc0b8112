//! The sequencer over several nodes: one numbers, and another takes over when it is gone.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use seoham_scratch_postgres::{Cluster, Database};
use seoham_store::events::FeedQuery;
use seoham_store::{Feeds, Mode, Store};
use seoham_store_contract::world::World;
use seoham_store_postgres::{Options, PostgresStore};
use seoham_vault::{KeyRing, Vault};

async fn open(database: &Database, ring: &KeyRing) -> Arc<dyn Store> {
    let options = Options { create: true, ..Options::new(database.url().to_owned().into(), Mode::Sandbox) };
    Arc::new(PostgresStore::open(&options, Arc::new(Vault::new(ring))).await.expect("opens"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_over_where_another_stopped() {
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let ring = KeyRing::generate();
    let first = open(&database, &ring).await;
    let world = World::new(Arc::clone(&first)).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let city = world.city.institution;
    let until = async |store: &dyn Store, count: usize| {
        let begun = Instant::now();
        loop {
            let query = FeedQuery { after: 0, limit: 10_000, types: None };
            let read = Feeds::read_feed(store, city, query).await.expect("reads");
            let numbers: Vec<u64> = read.page.events.iter().map(|event| event.seq).collect();
            assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "dense: {numbers:?}");
            if numbers.len() >= count {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{} of {count}", numbers.len());
            store.wait_for_events(Duration::from_millis(50)).await;
        }
    };
    world.send(world.city, &recipient, 50).await;
    until(&*first, 100).await;
    // The first one holds the lease; a second one that only sends leaves the numbering to it.
    let second = open(&database, &ring).await;
    let there = World { store: Arc::clone(&second), clock: second.clock().clone(), ..world };
    there.send(there.city, &recipient, 50).await;
    until(&*second, 200).await;
    assert_eq!(Arc::strong_count(&first), 2, "nobody else keeps it");
    drop((first, world));
    there.send(there.city, &recipient, 50).await;
    until(&*second, 300).await;
}
