//! Institutions that follow their feeds through every fault: numbers never go back and none is missing, and in the end each
//! has every step of every acknowledged document exactly once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::deployment::Gateways;
use crate::harness::{Client, eventually};
use crate::ledger::Ledger;

/// What each institution read, by its token. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Feeds(Arc<Mutex<BTreeMap<String, Feed>>>);

#[derive(Default)]
struct Feed {
    through: u64,
    /// The steps of each document in order, with their times.
    steps: BTreeMap<String, Vec<(String, i64)>>,
}

impl Feeds {
    /// Readers that follow until they are dropped. One that finds something ends.
    pub(crate) fn follow(&self, clients: &[Client], gateways: &Gateways) -> JoinSet<()> {
        let mut readers = JoinSet::new();
        for client in clients {
            let (feeds, client, gateways) = (self.clone(), client.clone(), gateways.clone());
            readers.spawn(async move {
                for n in 0.. {
                    if feeds.read(&client, &gateways, n).await.is_none() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
        readers
    }

    /// Reads a page from some gateway; `None` if none answers.
    async fn read(&self, client: &Client, gateways: &Gateways, n: usize) -> Option<()> {
        let through = self.0.lock().unwrap().entry(client.token.clone()).or_default().through;
        let path = format!("/v1/events?after={through}&limit=1000&wait=1");
        let request = gateways.aim(client, n)?.get(&path).timeout(Duration::from_secs(30));
        let answer = request.send().await.ok().filter(|answer| answer.status() == 200)?;
        let page = answer.json::<Value>().await.ok()?;
        self.0.lock().unwrap().get_mut(&client.token)?.take(&page);
        Some(())
    }

    /// Waits until every acknowledged document is told of: accepted first, received by members, and notified.
    pub(crate) async fn settle(&self, ledger: &Ledger) {
        eventually("the feeds have every step", async || {
            let feeds = self.0.lock().unwrap();
            let is_told = |(token, id, member): &(String, String, bool)| {
                let steps = feeds.get(token).and_then(|feed| feed.steps.get(id));
                let has = |name: &str| steps.is_some_and(|steps| steps.iter().any(|(step, _)| step == name));
                has("document.accepted") && has("document.notified") && has("document.received") == *member
            };
            ledger.acknowledged().iter().all(is_told).then_some(())
        })
        .await;
    }

    /// How many documents all feeds tell of.
    pub(crate) fn documents(&self) -> usize {
        self.0.lock().unwrap().values().map(|feed| feed.steps.len()).sum()
    }
}

impl Feed {
    /// A page that follows on what was read.
    fn take(&mut self, page: &Value) {
        for event in page["events"].as_array().expect("events") {
            assert_eq!(event["seq"], self.through + 1, "no number is missing, and none comes again: {event}");
            self.through += 1;
            let text = |name: &str| event[name].as_str().expect("a text").to_owned();
            let (id, step) = (text("document_binder_uuid"), text("type"));
            let at = event["at"].as_i64().expect("a time");
            let steps = self.steps.entry(id).or_default();
            assert!(steps.iter().all(|(known, _)| *known != step), "told twice: {event} after {steps:?}");
            assert_eq!(steps.is_empty(), step == "document.accepted", "{event} after {steps:?}");
            // The messenger says itself when a notification arrived; whole seconds of two clocks may differ by one.
            let is_late = step == "document.notified" || steps.last().is_none_or(|(_, last)| *last <= at + 1);
            assert!(is_late, "earlier than what came before: {event} after {steps:?}");
            steps.push((step, at));
        }
        assert!(page["through"].as_u64().expect("a number") >= self.through, "{}", page["through"]);
    }
}
