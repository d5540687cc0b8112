//! Machines whose clocks jump under load, on both stores: nothing is lost, expires, or is removed.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use seoham_scratch_postgres::Cluster;

use crate::harness::{Backing, MachineClock, Start, documents, eventually, http};
use crate::{duration, seed};

const JUMPS: usize = 6;
const DAY: i64 = 24 * 60 * 60;

async fn jumps(backing: Backing) {
    let mut random = StdRng::seed_from_u64(seed());
    let (start, clock) = MachineClock::of(Start::on(backing).env("SEOHAM_STORE__RETENTION_DAYS", "30"));
    let server = start.up();
    let city = server.institution("가상시청").await;
    let ready =
        async || http().get(format!("{}/readyz", server.url("admin"))).send().await.unwrap().status() == 200;
    let mut sent = Vec::new();
    let until = Instant::now() + duration();
    let mut jumped = 0;
    while jumped < JUMPS || Instant::now() < until {
        sent.extend(city.accepted(&documents(100)).await);
        let days = [-20 * 365, -1, 1, 60, 400][random.random_range(0..5)];
        clock.set_ahead(days * DAY);
        tokio::time::sleep(Duration::from_millis(random.random_range(100..3_000))).await;
        clock.set_ahead(0);
        eventually("it serves again", async || ready().await.then_some(())).await;
        jumped += 1;
    }
    eventually("everything is delivered", async || {
        let statuses = city.statuses(&sent).await;
        statuses.iter().all(|status| status["status_data"]["user_notified_at"].is_i64()).then_some(())
    })
    .await;
    for status in city.statuses(&sent).await {
        assert_eq!(status["status_data"]["doc_box_status"], "RECEIVED", "{status}");
    }
    eprintln!("{jumped} jumps, {} documents", sent.len());
}

#[tokio::test]
async fn a_jumping_clock_loses_nothing_on_the_embedded_store() {
    jumps(Backing::embedded()).await;
}

#[tokio::test]
async fn a_jumping_clock_loses_nothing_on_postgres() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    jumps(Backing::at(database.url().to_owned())).await;
}
