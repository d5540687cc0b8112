//! Nodes are killed, paused and restarted while database sessions and the messenger fail too: nothing acknowledged is
//! lost, and nothing is in a box twice.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::deployment::{Deployment, GATEWAYS, LEASE_SECONDS, WORKERS, signal};
use crate::feeds::Feeds;
use crate::harness::{Backing, DOCUMENTS, QUEUE_ROWS, eventually};
use crate::ledger::Ledger;
use crate::load;
use crate::messenger::{Availability, Messenger};
use crate::{duration, seed};
use seoham_scratch_postgres::{Cluster, Database};

const KILLS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_nothing_and_deliver_nothing_twice() {
    let mut random = StdRng::seed_from_u64(seed());
    // A separate cluster: killing one session restarts all sessions of the cluster.
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let messenger = Messenger::start().await;
    let mut deployment = Deployment::up(Backing::at(database.url().to_owned()), &messenger);
    let clients = [deployment.institution("가상시청").await, deployment.institution("가상은행").await];
    let (gateways, ledger) = (deployment.gateways.clone(), Ledger::default());
    let senders = load::start(&clients, 2, &gateways, &ledger);
    let watching = tokio::spawn(ledger.clone().watch(clients.to_vec(), gateways.clone()));
    let feeds = Feeds::default();
    let mut following = feeds.follow(&clients, &gateways);
    let reporting = tokio::spawn(messenger.clone().report(gateways.clone()));

    let started = Instant::now();
    let until = started + duration();
    let mut kills = 0;
    while kills < KILLS || Instant::now() < until {
        kills += trouble(&mut random, &mut deployment, &messenger, (&cluster, &database)).await;
        assert!(!watching.is_finished(), "the watcher found something");
        assert!(following.try_join_next().is_none(), "a reader found something");
    }
    messenger.set_availability(Availability::Up);
    drop(senders);
    eprintln!("{kills} kills, {} documents acknowledged", ledger.len());
    assert!(ledger.len() > 2_000, "load was there: {}", ledger.len());
    // The backoff between two attempts grows with the outage, but is never longer than it.
    ledger.settle(&clients, &gateways, started.elapsed() + Duration::from_mins(1)).await;
    assert!(!watching.is_finished(), "the watcher found something");
    watching.abort();
    feeds.settle(&ledger).await;

    // Documents accepted without a received 200 are also delivered, exactly once.
    eventually("the queue is empty", async || (deployment.count(QUEUE_ROWS) == 0).then_some(())).await;
    reporting.abort();
    let stored = deployment.count(DOCUMENTS);
    assert!(stored >= i64::try_from(ledger.len()).unwrap());
    assert_eq!(deployment.count("SELECT sum(accepted)::bigint FROM daily_counts"), stored);
    eventually("every accepted document is told of", async || {
        assert!(following.try_join_next().is_none(), "a reader found something");
        (i64::try_from(feeds.documents()).unwrap() == stored).then_some(())
    })
    .await;
    let counted = "SELECT sum(documents)::bigint FROM statistics WHERE kind = 1";
    assert_eq!(deployment.count(counted), stored, "statistics count what the feeds tell");
    assert_eq!(deployment.backing().indexed(), stored, "every document is found by its recipient, once");
    assert_eq!(i64::try_from(messenger.notifications()).unwrap(), stored, "one id for each document");
    eprintln!("{stored} documents, their notifications taken {} times in all", messenger.times_taken());
}

/// Causes one failure. Returns the number of nodes killed.
async fn trouble(
    random: &mut StdRng,
    deployment: &mut Deployment,
    messenger: &Messenger,
    (cluster, database): (&Cluster, &Database),
) -> usize {
    let pause = |random: &mut StdRng, millis: std::ops::Range<u64>| {
        tokio::time::sleep(Duration::from_millis(random.random_range(millis)))
    };
    let node = random.random_range(0..GATEWAYS + WORKERS);
    match random.random_range(0..100) {
        0..88 => {
            deployment.kill(node);
            pause(random, 0..60).await;
            deployment.start(node);
            pause(random, 0..120).await;
            1
        }
        88..91 => {
            let states = [Availability::Up, Availability::Down, Availability::Slow];
            messenger.set_availability(states[random.random_range(0..states.len())]);
            0
        }
        91..94 => {
            // Sometimes longer than a lease: the other worker delivers what it held.
            deployment.signal(node, "STOP");
            pause(random, 100..LEASE_SECONDS * 1_000 + 1_000).await;
            deployment.signal(node, "CONT");
            0
        }
        94..97 => {
            let backends = cluster.backends(database.name());
            for pid in backends {
                cluster.sql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
            }
            0
        }
        97..99 => {
            // Terminates a session in the middle of its work.
            let backends = cluster.backends(database.name());
            if !backends.is_empty() {
                let pid = backends[random.random_range(0..backends.len())];
                signal(pid, "STOP");
                pause(random, 200..1_500).await;
                signal(pid, "CONT");
            }
            0
        }
        _ => {
            // A crashed session takes the database down until it has recovered.
            let backends = cluster.backends(database.name());
            if !backends.is_empty() {
                cluster.crash(backends[random.random_range(0..backends.len())]);
            }
            0
        }
    }
}
