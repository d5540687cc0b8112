//! The primary lost under load, its synchronous standby promoted: nothing acknowledged is lost, and
//! the nodes go on by themselves.

use std::time::{Duration, Instant};

use seoham_scratch_postgres::Cluster;

use crate::deployment::Deployment;
use crate::harness::{Backing, eventually, http};
use crate::ledger::Ledger;
use crate::load;
use crate::messenger::Messenger;

/// Acceptance is to be back this soon after the promotion.
const BACK_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_primary_takes_nothing_acknowledged_with_it() {
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

    let both = {
        let host = |cluster: &Cluster| {
            let socket = cluster.socket_directory().to_string_lossy().replace('/', "%2F");
            format!("{socket}:{}", cluster.port())
        };
        let hosts = format!("{},{}", host(&primary), host(&standby));
        format!("postgres://postgres@{hosts}/{}?target_session_attrs=read-write", database.name())
    };
    let messenger = Messenger::start().await;
    let deployment = Deployment::up(Backing::at(both), &messenger);
    let clients = [deployment.institution("가상시청").await, deployment.institution("가상은행").await];
    let (gateways, ledger) = (deployment.gateways.clone(), Ledger::default());
    let senders = load::start(&clients, 2, &gateways, &ledger);
    let reporting = tokio::spawn(messenger.clone().report(gateways.clone()));
    let enough = |count: usize| {
        let ledger = ledger.clone();
        async move {
            eventually("documents are acknowledged", async || (ledger.len() >= count).then_some(())).await;
        }
    };
    enough(1_000).await;

    primary.kill();
    let node = deployment.server(0);
    eventually("a node without a database is not ready", async || {
        let ready = http().get(format!("{}/readyz", node.url("admin"))).send().await.unwrap();
        (ready.status() == 503).then_some(())
    })
    .await;
    let refused =
        clients[0].bulk_request("/v1/documents/bulk", r#"{"documents":[{}]}"#).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));

    let before = ledger.len();
    let promoted = Instant::now();
    standby.promote();
    enough(before + 1).await;
    let back_after = promoted.elapsed();
    eprintln!("acceptance was back {back_after:?} after the promotion began");
    assert!(back_after < BACK_WITHIN, "{back_after:?}");
    enough(before + 500).await;

    drop(senders);
    ledger.settle(&clients, &gateways).await;
    reporting.abort();
    eprintln!("{before} documents were acknowledged before the loss, {} in all", ledger.len());
}
