//! The cache of people over several nodes: it is used, and never finds what another node has changed.

#![allow(missing_docs, reason = "a test is documented by its name")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use seoham_model::document::Receiver;
use seoham_scratch_postgres::{Cluster, Database};
use seoham_store::people::Identified;
use seoham_store::{Lane, Mode, Store};
use seoham_store_contract::world::{World, by_ci, by_phone, record};
use seoham_store_postgres::{Options, PostgresStore};
use seoham_vault::{KeyRing, Vault};
use tokio_postgres::{Client, NoTls};

const BIRTHDAY: &str = "19800229";

struct Nodes {
    database: Database,
    /// Where things change.
    there: World,
    /// Where the cache is.
    here: Arc<dyn Store>,
}

impl Nodes {
    async fn new() -> Self {
        let database =
            tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
        let ring = KeyRing::generate();
        let open = async || {
            let url = database.url().to_owned().into();
            let options = Options { create: true, ..Options::new(url, Mode::Sandbox) };
            PostgresStore::open(&options, Arc::new(Vault::new(&ring))).await.expect("opens")
        };
        let there = World::new(Arc::new(open().await)).await;
        let here = Arc::new(open().await);
        for n in 0..8 {
            there.register(record(&phone(n), "김하나", BIRTHDAY, Some(&ci(n)), false)).await;
        }
        Self { database, there, here }
    }

    /// What this node says about the eight people, asked for by number or ci: `m`ember, `w`aiting, `r`efuses, `-` unknown.
    async fn verdicts(&self, by: fn(usize) -> Receiver) -> String {
        let receivers = (0..8).map(by).collect();
        let verdicts = self.here.identify(Lane::Bulk, self.there.city.institution, receivers).await;
        verdicts.expect("answers").iter().map(letter).collect()
    }

    async fn numbers(&self) -> String {
        self.verdicts(|n| by_phone(&phone(n), BIRTHDAY)).await
    }

    async fn client(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(self.database.url(), NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    }

    /// Waits until the cache is used: until a change that leaves no trace is not seen.
    async fn until_cached(&self) {
        let client = self.client().await;
        client.batch_execute("SET session_replication_role = replica").await.expect("a superuser");
        let begun = Instant::now();
        loop {
            let before = self.numbers().await;
            let hide = "UPDATE people SET phone_index = 'hidden' || phone_index";
            client.batch_execute(hide).await.expect("hides");
            let after = self.numbers().await;
            let show = "UPDATE people SET phone_index = substr(phone_index, 7)";
            client.batch_execute(show).await.expect("shows");
            if after == before {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "the cache is not used: {before} {after}");
        }
    }
}

fn letter(identified: &Identified) -> char {
    match identified {
        Identified::Found(recipient) if recipient.member => 'm',
        Identified::Found(_) => 'w',
        Identified::Refused => 'r',
        Identified::NotFound => '-',
        Identified::Breaks => 'x',
    }
}

fn phone(n: usize) -> String {
    format!("0101111{n:04}")
}

fn ci(n: usize) -> String {
    format!("CI-{n}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_changed_is_known_at_once() {
    let nodes = Nodes::new().await;
    let there = &nodes.there;
    let (city, now) = (there.city.institution, there.now());
    nodes.until_cached().await;
    assert_eq!(nodes.numbers().await, "wwwwwwww");
    let second = there.recipient(&phone(1), BIRTHDAY).await.person;
    there.store.set_refusal(second, city, true, now).await.expect("refuses");
    assert_eq!(nodes.numbers().await, "wrwwwwww");
    there.store.set_refusal(second, there.bank.institution, true, now).await.expect("refuses");
    there.store.set_refusal(second, city, false, now).await.expect("accepts");
    assert_eq!(nodes.numbers().await, "wwwwwwww", "of each institution by itself");
    there.store.join(second, now).await.expect("joins");
    assert_eq!(nodes.numbers().await, "wmwwwwww");
    // Another number: found under the new one, and under no old one.
    there.register(record("01099998888", "김하나", BIRTHDAY, Some(&ci(2)), false)).await;
    assert_eq!(nodes.numbers().await, "wm-wwwww");
    assert_eq!(nodes.verdicts(|n| by_ci(&ci(n))).await, "wmwwwwww");
    // Another birthday.
    there.register(record(&phone(3), "김하나", "19910101", Some(&ci(3)), true)).await;
    assert_eq!(nodes.numbers().await, "wm--wwww");
    assert_eq!(nodes.verdicts(|n| by_ci(&ci(n))).await, "wmwmwwww");
    nodes.until_cached().await;
}

/// Many changes, each seen by whoever asks after it was confirmed, while others ask all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_missed_while_others_ask() {
    let nodes = Nodes::new().await;
    let (there, city) = (&nodes.there, nodes.there.city.institution);
    nodes.until_cached().await;
    let mut people = Vec::new();
    for n in 0..8 {
        people.push(there.recipient(&phone(n), BIRTHDAY).await.person);
    }
    let changing = async {
        let mut refuses = [false; 8];
        for turn in 0..200 {
            let n = turn * 5 % 8;
            refuses[n] = !refuses[n];
            there.store.set_refusal(people[n], city, refuses[n], there.now()).await.expect("says so");
            let expected: String = refuses.iter().map(|&refuses| if refuses { 'r' } else { 'w' }).collect();
            assert_eq!(nodes.numbers().await, expected, "turn {turn}");
        }
    };
    let asking = async {
        loop {
            futures_util::join!(nodes.numbers(), nodes.numbers(), nodes.numbers());
        }
    };
    tokio::select! {
        () = changing => {}
        () = asking => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_or_a_forgotten_change_empties_the_cache() {
    let nodes = Nodes::new().await;
    let (there, city, now) = (&nodes.there, nodes.there.city.institution, nodes.there.now());
    let client = nodes.client().await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND query LIKE '%people_changes%' AND pid <> pg_backend_pid()";
    let forget = "UPDATE people_changes SET changed_at = now() - interval '1 hour'";
    let person = there.recipient(&phone(0), BIRTHDAY).await.person;
    for (turn, expected) in [(0, "rwwwwwww"), (1, "wwwwwwww"), (2, "rwwwwwww")] {
        nodes.until_cached().await;
        let ended = client.query(others, &[]).await.expect("ends it");
        assert!(!ended.is_empty(), "there is a reader");
        there.store.set_refusal(person, city, turn % 2 == 0, now).await.expect("says so");
        assert_eq!(nodes.numbers().await, expected, "after the connection was lost");
        nodes.until_cached().await;
        there.store.set_refusal(person, city, turn % 2 == 1, now).await.expect("says so");
        client.batch_execute(forget).await.expect("makes it old");
        there.store.tidy(None, now).await.expect("tidies");
        let left = client.query_one("SELECT count(*) FROM people_changes", &[]).await.expect("counts");
        assert_eq!(left.get::<_, i64>(0), 0, "old changes are forgotten");
        let now_expected = if turn % 2 == 1 { "rwwwwwww" } else { "wwwwwwww" };
        assert_eq!(nodes.numbers().await, now_expected, "after the change was forgotten unread");
        there.store.set_refusal(person, city, turn % 2 == 0, now).await.expect("says so");
        assert_eq!(nodes.numbers().await, expected);
    }
}

/// A mark that no transaction has reached came with the dump of another cluster: it hides nothing that is forgotten here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_of_another_cluster_hides_nothing() {
    let nodes = Nodes::new().await;
    let (there, city, now) = (&nodes.there, nodes.there.city.institution, nodes.there.now());
    let client = nodes.client().await;
    let foreign = "UPDATE people_changes_forgotten SET below = '4000000000000'";
    client.batch_execute(foreign).await.expect("sets it");
    nodes.until_cached().await;
    let person = there.recipient(&phone(0), BIRTHDAY).await.person;
    there.store.set_refusal(person, city, true, now).await.expect("says so");
    let old = "UPDATE people_changes SET changed_at = now() - interval '1 hour'";
    client.batch_execute(old).await.expect("makes it old");
    there.store.tidy(None, now).await.expect("tidies");
    assert_eq!(nodes.numbers().await, "rwwwwwww");
}

/// More changes at once than are read leave nothing stale, and the cache comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_changes_leaves_nothing_stale() {
    let nodes = Nodes::new().await;
    nodes.until_cached().await;
    let client = nodes.client().await;
    let flood = "UPDATE people SET member_since = 1 WHERE member_since IS NULL;
        INSERT INTO people_changes (person_id) SELECT gen_random_uuid() FROM generate_series(1, 5000)";
    client.batch_execute(flood).await.expect("changes");
    assert_eq!(nodes.numbers().await, "mmmmmmmm");
    nodes.until_cached().await;
    assert_eq!(nodes.numbers().await, "mmmmmmmm");
}
