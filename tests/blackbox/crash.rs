//! Repeated kill -9 under load: acknowledged documents are stored and reach their boxes exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::RngExt;
use serde_json::Value;

use crate::harness::{Backing, Client, DOCUMENTS, QUEUE_ROWS, Server, Start, eventually};

const CYCLES: usize = 30;
const SENDERS: usize = 4;

/// What a client was told and observed, recorded outside the system.
#[derive(Default)]
struct Ledger {
    acknowledged: BTreeMap<String, Value>,
}

#[tokio::test]
async fn thirty_kills_lose_nothing_and_deliver_nothing_twice() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let start = Start::sandbox();
    let mut server = start.up();
    let mut city = server.institution("가상시청").await;
    let mut ledger = Ledger::default();

    let mut under_load = 0;
    for cycle in 0..CYCLES {
        let alive = Duration::from_millis(random.random_range(20..400));
        // Most kills come once requests are accepted, however busy the machine is; the others at any time.
        let accepted_first = cycle % 3 > 0;
        let sent = send_until_killed(server, &city, accepted_first, alive).await;
        under_load += usize::from(!sent.is_empty());
        for id in sent {
            ledger.acknowledged.insert(id, Value::Null);
        }
        server = start.up();
        city = city.at(&server);
        ledger.reconcile(&city).await;
    }
    assert!(under_load > CYCLES / 2, "{under_load} kills under load");
    assert!(ledger.acknowledged.len() > 1_000, "{} documents were acknowledged", ledger.acknowledged.len());
    ledger.settle(&city).await;
    server.terminate();
    assert!(server.wait().0.success());
    every_document_stands_once(start.backing(), &ledger);
}

async fn send_until_killed(
    server: Server,
    city: &Client,
    accepted_first: bool,
    alive: Duration,
) -> Vec<String> {
    let requests = Arc::<AtomicUsize>::default();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (city, requests) = (city.clone(), Arc::clone(&requests));
            tokio::spawn(async move { city.send_until_gone(&requests).await })
        })
        .collect();
    if accepted_first {
        eventually("a request is accepted", async || (requests.load(Ordering::Relaxed) > 0).then_some(()))
            .await;
    }
    tokio::time::sleep(alive).await;
    server.kill();
    let mut all = Vec::new();
    for sender in senders {
        all.extend(sender.await.unwrap());
    }
    all
}

impl Ledger {
    /// Every acknowledged document exists, and no observed time has changed.
    async fn reconcile(&mut self, city: &Client) {
        let ids: Vec<String> = self.acknowledged.keys().cloned().collect();
        for (id, status) in ids.iter().zip(city.statuses(&ids).await) {
            let data = &status["status_data"];
            assert!(data["doc_box_sent_at"].is_i64(), "{id} was acknowledged and is gone: {status}");
            let before = self.acknowledged.get_mut(id).unwrap();
            for (name, seen) in before.as_object().into_iter().flatten().filter(|(_, v)| v.is_i64()) {
                assert_eq!(&data[name], seen, "{name} of {id} never changes");
            }
            assert!(
                before["doc_box_status"] != "RECEIVED" || data["doc_box_status"] == "RECEIVED",
                "never back"
            );
            *before = data.clone();
        }
    }

    async fn settle(&mut self, city: &Client) {
        let ids: Vec<String> = self.acknowledged.keys().cloned().collect();
        eventually("every acknowledged document is delivered and announced", async || {
            let statuses = city.statuses(&ids).await;
            let done = |s: &Value| {
                s["status_data"]["doc_box_status"] == "RECEIVED"
                    && s["status_data"]["user_notified_at"].is_i64()
            };
            statuses.iter().all(done).then_some(())
        })
        .await;
        self.reconcile(city).await;
    }
}

/// Checks the store itself: no document twice, none undelivered, an empty queue.
fn every_document_stands_once(store: &Backing, ledger: &Ledger) {
    let count = |sql: &str| store.count(sql);
    let stored = count(DOCUMENTS);
    assert!(stored >= i64::try_from(ledger.acknowledged.len()).unwrap());
    assert_eq!(count(QUEUE_ROWS), 0);
    assert_eq!(store.indexed(), stored, "every document is found by its recipient, once");
    assert_eq!(count("SELECT sum(accepted) FROM daily_counts"), stored, "counted in the same transaction");
    if store.is_embedded() {
        assert_eq!(count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
    }
}
