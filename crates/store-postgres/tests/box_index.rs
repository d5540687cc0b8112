//! Flushing and merging the box index.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use seoham_model::BinderId;
use seoham_scratch_postgres::Cluster;
use seoham_store::Mode;
use seoham_store::boxes::Shelf;
use seoham_store::parcel::runs::FLUSH_MIN;
use seoham_store_contract::world::World;
use seoham_store_postgres::{Options, PostgresStore};
use seoham_vault::{KeyRing, Vault};
use tokio_postgres::NoTls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_is_found_whole_while_its_index_is_flushed_and_merged() {
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let options = Options { create: true, ..Options::new(database.url().into(), Mode::Sandbox) };
    let vault = Arc::new(Vault::new(&KeyRing::generate()));
    // Two nodes: one of them flushes at a time.
    let store = PostgresStore::open(&options, Arc::clone(&vault)).await.expect("opens");
    let _other = PostgresStore::open(&options, vault).await.expect("opens");
    let world = World::new(Arc::new(store)).await;
    world.person("01011112222", true).await;
    world.person("01033334444", true).await;
    let mine = world.recipient("01011112222", "19800229").await;
    let theirs = world.recipient("01033334444", "19800229").await;
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.expect("connects");
    tokio::spawn(connection);
    let count = async |sql: &str| client.query_one(sql, &[]).await.expect("answers").get::<_, i64>(0);

    let mut sent: HashSet<BinderId> = HashSet::new();
    let is_whole = async |sent: &HashSet<BinderId>| {
        let shelf = world.store.shelf(mine.person, Shelf::Unread, None, 100, world.now()).await;
        let found: Vec<BinderId> = shelf.expect("answers").iter().map(|document| document.id).collect();
        assert!(found.is_sorted_by(|one, next| one > next), "newest first, none twice");
        assert_eq!(found.into_iter().collect::<HashSet<_>>(), *sent);
    };
    // Sixteen runs are merged into one.
    for run in 1..=16 {
        sent.extend(world.send(world.bank, &mine, 1).await);
        for _ in 0..FLUSH_MIN.div_ceil(100) {
            world.send(world.city, &theirs, 100).await;
        }
        for _ in 0..6_000 {
            is_whole(&sent).await;
            if count("SELECT count(DISTINCT run_id) FROM box_blocks").await == if run == 16 { 1 } else { run }
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(count("SELECT count(DISTINCT run_id) FROM box_blocks").await, 1);
    let indexed =
        "SELECT sum(entry_count)::bigint + (SELECT coalesce(sum(length(persons)), 0) / 16 FROM box_pending)
                   FROM box_blocks";
    let stored = "SELECT sum(length(persons)) / 16 FROM parcels";
    assert_eq!(count(indexed).await, count(stored).await, "every document once");
    is_whole(&sent).await;
}
