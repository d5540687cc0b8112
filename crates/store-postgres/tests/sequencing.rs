//! The sequencer over several nodes: one numbers, and another takes over when it is gone.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use seoham_model::StoredNumber;
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

/// A pass that waited for another's end has a snapshot from before it, and still numbers from where that one ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_waited_numbers_from_where_the_other_ended() {
    const PASS: &str = include_str!("../src/events/pass.sql");
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    drop(open(&database, &KeyRing::generate()).await);
    let connect = async || {
        let (client, connection) =
            tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    };
    let (mut first, second, other) = (connect().await, connect().await, connect().await);
    let (holder, city) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    let steps = async |counts: &[i16]| {
        let sql = "INSERT INTO outbox (institution_id, event_count, event_type, at, parcel_id)
                   SELECT $1, n, 10, 1000, $1 FROM unnest($2::smallint[]) AS n";
        other.execute(sql, &[&city, &counts]).await.expect("inserts");
    };
    steps(&[100]).await;
    other.execute("UPDATE sequencer SET holder = $1", &[&holder]).await.expect("takes the lease");
    let stalled = first.transaction().await.expect("begins");
    stalled.query(PASS, &[&holder, &10_i64]).await.expect("passes");
    steps(&[1, 2]).await;
    let waiting = tokio::spawn(async move { second.query(PASS, &[&holder, &10_i64]).await });
    loop {
        let sql =
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        if !other.query(sql, &[]).await.expect("looks").is_empty() {
            break;
        }
        assert!(!waiting.is_finished(), "one pass at a time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stalled.commit().await.expect("commits");
    waiting.await.expect("ends").expect("passes");
    let sql = "SELECT last_seq - event_count + 1, last_seq FROM ledger ORDER BY last_seq";
    let numbers: Vec<(i64, i64)> =
        other.query(sql, &[]).await.expect("reads").iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(numbers, [(1, 100), (101, 101), (102, 103)], "no number twice, none missing");
    let last = other.query_one("SELECT last_seq FROM feeds", &[]).await.expect("reads");
    assert_eq!(last.get::<_, i64>(0), 103);
    let counted = other.query_one("SELECT documents, kind FROM statistics", &[]).await.expect("reads");
    assert_eq!((counted.get::<_, i64>(0), counted.get::<_, i16>(1)), (103, 10), "each is counted once");
}

/// Retention waits for the numbers of the last steps: they are counted under the contract of their parcel, which must be
/// there until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_numbered_is_not_removed() {
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let store = open(&database, &KeyRing::generate()).await;
    let world = World::new(Arc::clone(&store)).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let soon = world.now().plus(86_400);
    let whole_month = world.send_until(world.city, &recipient, 2, soon).await;
    world.advance(100 * 86_400).await;
    // One that can still be opened: its month is not dropped as a whole.
    let mixed = world.send_until(world.city, &recipient, 3, world.now().plus(86_400)).await;
    world.send_until(world.city, &recipient, 1, world.now().plus(1_000 * 86_400)).await;
    world.advance(100 * 86_400).await;
    let (mut client, connection) =
        tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(connection);
    let stalled = client.transaction().await.expect("begins");
    stalled.query("SELECT FROM sequencer FOR UPDATE", &[]).await.expect("stalls");
    while store.tell_expired(100, world.now()).await.expect("tells") > 0 {}
    let tidied = store.tidy(Some(30), world.now()).await.expect("answers");
    assert_eq!((tidied.documents, tidied.more), (0, false), "the expiry has no number yet");
    assert!(world.status(world.city, whole_month[0]).await.is_some());
    stalled.commit().await.expect("goes on");
    let mut removed = 0;
    loop {
        let tidied = store.tidy(Some(30), world.now()).await.expect("tidies");
        removed += tidied.documents;
        if !tidied.more {
            break;
        }
    }
    assert_eq!(removed, 5);
    assert!(world.status(world.city, mixed[0]).await.is_none());
    let sql = "SELECT contract_id FROM statistics WHERE kind = $1";
    let expired = seoham_store::statistics::Counted::Expired.as_number();
    let rows = client.query(sql, &[&i16::try_from(expired).expect("small")]).await.expect("reads");
    let contract = uuid::Uuid::from_bytes(*world.city.contract.as_bytes());
    assert_eq!(rows.iter().map(|row| row.get::<_, uuid::Uuid>(0)).collect::<Vec<_>>(), [contract; 2]);
}

/// A deployment of a former version has in its statistics what its ledger has: the same as if it had counted from the
/// first day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_versions_ledger_is_counted() {
    let migration = include_str!("../migrations/V6__statistics.sql");
    let recount = &migration[migration.rfind("INSERT INTO statistics").expect("counts")..];
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let store = open(&database, &KeyRing::generate()).await;
    let world = World::new(Arc::clone(&store)).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    for (sender, count) in [(world.city, 7), (world.bank, 3), (world.city, 100)] {
        world.send(sender, &recipient, count).await;
        world.advance(86_400).await;
    }
    let (client, connection) =
        tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(connection);
    let sql = "SELECT institution_id::text, day, contract_id::text, kind, documents FROM statistics ORDER BY 1, 2, 3, 4";
    let counted = async || {
        let rows = client.query(sql, &[]).await.expect("reads");
        let row = |row: &tokio_postgres::Row| -> (String, i32, String, i16, i64) {
            (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))
        };
        rows.iter().map(row).collect::<Vec<_>>()
    };
    let begun = Instant::now();
    let live = loop {
        let live = counted().await;
        if live.iter().map(|(.., documents)| documents).sum::<i64>() == 110 {
            break live;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{live:?}");
        store.wait_for_events(Duration::from_millis(50)).await;
    };
    client.batch_execute("DELETE FROM statistics").await.expect("deletes");
    client.batch_execute(recount).await.expect("counts");
    assert_eq!(counted().await, live);
    // Of documents that were removed since, the contract is not known, and nothing else changes.
    client.batch_execute("DELETE FROM statistics; DELETE FROM parcels").await.expect("deletes");
    client.batch_execute(recount).await.expect("counts");
    let figures = |of: &[(String, i32, String, i16, i64)]| {
        of.iter()
            .map(|(institution, day, _, kind, n)| (institution.clone(), *day, *kind, *n))
            .collect::<Vec<_>>()
    };
    assert_eq!(figures(&counted().await), figures(&live));
}

/// An event of a type that this version does not know was written by a newer node: a page ends before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_ends_before_what_a_newer_node_wrote() {
    let database = tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
    let store = open(&database, &KeyRing::generate()).await;
    let world = World::new(Arc::clone(&store)).await;
    world.person("01011112222", true).await;
    let recipient = world.recipient("01011112222", "19800229").await;
    let read = async || {
        let query = FeedQuery { after: 0, limit: 100, types: None };
        let read = Feeds::read_feed(&*store, world.city.institution, query).await.expect("reads");
        (read.page.events.len(), read.page.through, read.page.more, read.ends.last)
    };
    for n in 1..=3 {
        world.send(world.city, &recipient, 1).await;
        let begun = Instant::now();
        while read().await != (2 * n, 2 * n as u64, false, 2 * n as u64) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", read().await);
            store.wait_for_events(Duration::from_millis(50)).await;
        }
    }
    let (client, connection) =
        tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(connection);
    let newer = "UPDATE ledger SET event_type = 99 WHERE last_seq = 4";
    client.batch_execute(newer).await.expect("writes");
    assert_eq!(read().await, (3, 3, false, 3));
}
