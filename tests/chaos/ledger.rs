//! Acknowledged documents and their observed states, recorded outside the system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::seq::IteratorRandom;
use serde_json::Value;

use crate::deployment::Gateways;
use crate::harness::{Client, eventually};

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<BTreeMap<String, Entry>>>);

#[derive(Clone)]
struct Entry {
    /// Its institution's token, which identifies the sender.
    token: String,
    member: bool,
    seen: Value,
}

impl Ledger {
    /// Records every item of a 200 reply.
    pub(crate) fn acknowledge(&self, client: &Client, documents: &[Value], answer: &Value) {
        let results = answer["documents"].as_array().unwrap();
        assert_eq!(results.len(), documents.len());
        let mut entries = self.0.lock().unwrap();
        for (document, result) in documents.iter().zip(results) {
            let id = result["document_binder_uuid"].as_str().unwrap_or_else(|| panic!("refused: {result}"));
            let member = document["receiver"]["phone_number"] != "01000000003";
            let entry = Entry { token: client.token.clone(), member, seen: Value::Null };
            assert!(entries.insert(id.to_owned(), entry).is_none(), "{id} was given twice");
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The acknowledged documents: their institution's token, their id, and whether they are a member's.
    pub(crate) fn acknowledged(&self) -> Vec<(String, String, bool)> {
        let entries = self.0.lock().unwrap();
        entries.iter().map(|(id, entry)| (entry.token.clone(), id.clone(), entry.member)).collect()
    }

    /// Checks some of the acknowledged documents repeatedly, until dropped.
    pub(crate) async fn watch(self, clients: Vec<Client>, gateways: Gateways) {
        for n in 0.. {
            for client in &clients {
                let ids: Vec<String> = {
                    let entries = self.0.lock().unwrap();
                    let own = entries.iter().filter(|(_, e)| e.token == client.token).map(|(id, _)| id);
                    own.cloned().sample(&mut rand::rng(), 100)
                };
                if let Some(client) = gateways.aim(client, n).filter(|_| !ids.is_empty())
                    && let Some(statuses) = ask(&client, &ids).await
                {
                    self.compare(&ids, &statuses);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks that every document exists and that no observed state has changed.
    pub(crate) async fn reconcile(&self, clients: &[Client], gateways: &Gateways) {
        for client in clients {
            let ids: Vec<String> = {
                let entries = self.0.lock().unwrap();
                entries.iter().filter(|(_, e)| e.token == client.token).map(|(id, _)| id.clone()).collect()
            };
            for (n, ids) in ids.chunks(100).enumerate() {
                let statuses =
                    eventually("a gateway answers", async || ask(&gateways.aim(client, n)?, ids).await).await;
                self.compare(ids, &statuses);
            }
        }
    }

    /// Waits until every document is settled: members have it and everybody was notified. With any number of
    /// documents, some settle all the time, so this fails if none does for `patience`.
    pub(crate) async fn settle(&self, clients: &[Client], gateways: &Gateways, patience: Duration) {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            self.reconcile(clients, gateways).await;
            let (resting, all) = self.resting();
            if resting == all {
                return;
            }
            if resting > most {
                (most, since) = (resting, Instant::now());
            }
            assert!(
                since.elapsed() < patience,
                "{resting} of {all} came to rest, then none for {patience:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The number of settled documents, and of all.
    fn resting(&self) -> (usize, usize) {
        let entries = self.0.lock().unwrap();
        let rests = |e: &&Entry| {
            let wanted = if e.member { "RECEIVED" } else { "SENT" };
            e.seen["doc_box_status"] == wanted && e.seen["user_notified_at"].is_i64()
        };
        (entries.values().filter(rests).count(), entries.len())
    }

    fn compare(&self, ids: &[String], statuses: &[Value]) {
        const ORDER: [&str; 3] = ["SENT", "RECEIVED", "READ"];
        let mut entries = self.0.lock().unwrap();
        for (id, status) in ids.iter().zip(statuses) {
            let now = &status["status_data"];
            let entry = entries.get_mut(id).unwrap();
            let place = |data: &Value| ORDER.iter().position(|s| data["doc_box_status"] == *s);
            assert!(place(now).is_some(), "{id} was acknowledged and is gone: {status}");
            assert!(place(&entry.seen) <= place(now), "{id} went back: {} then {now}", entry.seen);
            for (name, seen) in entry.seen.as_object().into_iter().flatten().filter(|(_, v)| v.is_i64()) {
                assert_eq!(&now[name], seen, "{name} of {id} never changes");
            }
            entry.seen = now.clone();
        }
    }
}

async fn ask(client: &Client, ids: &[String]) -> Option<Vec<Value>> {
    let body = serde_json::json!({ "document_binder_uuids": ids }).to_string();
    let request = client.bulk_request("/v1/documents/bulk/status", body).timeout(Duration::from_secs(30));
    let answer = request.send().await.ok().filter(|answer| answer.status() == 200)?;
    answer.json::<Value>().await.ok()?["documents"].as_array().cloned()
}
