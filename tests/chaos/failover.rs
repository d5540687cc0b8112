//! The primary fails under load and its synchronous standby is promoted: nothing acknowledged is lost, and the nodes
//! recover by themselves.

use std::time::{Duration, Instant};

use seoham_scratch_postgres::Cluster;

use crate::deployment::Deployment;
use crate::feeds::Feeds;
use crate::harness::{Backing, Client, eventually, http};
use crate::ledger::Ledger;
use crate::load;
use crate::messenger::Messenger;

/// Maximum time after the promotion until documents are accepted again.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// A primary, its synchronous standby, and a deployment configured with both.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    messenger: Messenger,
    deployment: Deployment,
    clients: [Client; 2],
    ledger: Ledger,
}

impl Pair {
    async fn up() -> Self {
        let primary = Cluster::start(&[]);
        let database = primary.database();
        let standby = Cluster::standby_of(&primary, "standby", &[]);
        primary.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby)'");
        primary.sql("postgres", "SELECT pg_reload_conf()");
        eventually("the standby is synchronous", async || {
            let state = primary.sql("postgres", "SELECT sync_state FROM pg_stat_replication");
            (state.trim() == "quorum").then_some(())
        })
        .await;
        let host = |cluster: &Cluster| {
            let socket = cluster.socket_directory().to_string_lossy().replace('/', "%2F");
            format!("{socket}:{}", cluster.port())
        };
        let hosts = format!("{},{}", host(&primary), host(&standby));
        let both = format!("postgres://postgres@{hosts}/{}?target_session_attrs=read-write", database.name());
        let messenger = Messenger::start().await;
        let deployment = Deployment::up(Backing::at(both), &messenger);
        let clients = [deployment.institution("가상시청").await, deployment.institution("가상은행").await];
        Self { primary, standby, messenger, deployment, clients, ledger: Ledger::default() }
    }

    async fn until_acknowledged(&self, count: usize) {
        eventually("documents are acknowledged", async || (self.ledger.len() >= count).then_some(())).await;
    }

    /// Loses the primary by `lose` under load, promotes the standby, and checks that everything is there. Returns how
    /// long after the start of the promotion documents were not accepted.
    async fn fail_over(&self, lose: impl FnOnce(&Cluster)) -> Duration {
        let gateways = self.deployment.gateways.clone();
        let senders = load::start(&self.clients, 2, &gateways, &self.ledger);
        let feeds = Feeds::default();
        let mut following = feeds.follow(&self.clients, &gateways);
        let reporting = tokio::spawn(self.messenger.clone().report(gateways.clone()));
        self.until_acknowledged(1_000).await;
        lose(&self.primary);
        let node = self.deployment.server(0);
        eventually("a node without a database is not ready", async || {
            let ready = http().get(format!("{}/readyz", node.url("admin"))).send().await.unwrap();
            (ready.status() == 503).then_some(())
        })
        .await;
        let refused = self.clients[0].bulk_request("/v1/documents/bulk", r#"{"documents":[{}]}"#);
        let refused = refused.send().await.unwrap();
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));

        let before = self.ledger.len();
        let promoted = Instant::now();
        self.standby.promote();
        self.until_acknowledged(before + 1).await;
        let back_after = promoted.elapsed();
        self.until_acknowledged(before + 500).await;
        drop(senders);
        self.ledger.settle(&self.clients, &gateways, Duration::from_mins(1)).await;
        feeds.settle(&self.ledger).await;
        assert!(following.try_join_next().is_none(), "a reader found something");
        reporting.abort();
        eprintln!(
            "acceptance was back {back_after:?} after the promotion began; {before} documents were acknowledged before \
             the loss, {} in all",
            self.ledger.len()
        );
        back_after
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_primary_takes_nothing_acknowledged_with_it() {
    let back_after = Pair::up().await.fail_over(Cluster::kill).await;
    assert!(back_after < BACK_WITHIN, "{back_after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_primary_is_left_for_the_promoted_one() {
    Pair::up().await.fail_over(Cluster::freeze).await;
}
