//! The load generator: prebuilt bodies over persistent connections, with as little work as possible, because
//! it shares the machine with the server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use axum::body::Bytes;
use serde_json::{Value, json};

use crate::latency::Latencies;
use crate::node::{Node, Target, person};

/// The number of different bodies; enough that receivers differ between requests.
const BODIES: u32 = 1_000;
/// How many ids of accepted documents are kept.
const IDS_KEPT: usize = 50_000;

/// Whether each request has an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    None,
    Fresh,
}

/// A request's body, and how many documents it holds.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) items: u64,
}

pub(crate) fn bodies(people: u32, items: usize) -> Vec<Body> {
    let mut next = 0u32;
    (0..BODIES)
        .map(|_| {
            let documents: Vec<Value> = (0..items)
                .map(|i| {
                    next = next.wrapping_add(7_919);
                    document(next % people, i)
                })
                .collect();
            Body { bytes: json!({ "documents": documents }).to_string().into(), items: items as u64 }
        })
        .collect()
}

/// `count` bodies of a hundred documents each, to these receivers in turn.
pub(crate) fn bodies_to(receivers: &[u32], count: usize) -> Vec<Body> {
    let mut receivers = receivers.iter().copied().cycle();
    let body = |_| {
        let documents: Vec<Value> =
            receivers.by_ref().take(100).zip(0..).map(|(r, i)| document(r, i)).collect();
        Body { bytes: json!({ "documents": documents }).to_string().into(), items: 100 }
    };
    (0..count).map(body).collect()
}

fn document(receiver: u32, i: usize) -> Value {
    let person = person(receiver);
    json!({
        "title": "2026년 제2기분 자동차세 고지서",
        "read_expired_sec": 2_592_000,
        "common_categories": ["BILL_PAY"],
        "receiver": {
            "phone_number": person["phone_number"], "name": person["name"], "birthday": person["birthday"],
        },
        "property": {
            "link": "https://tax.example.kr/car?bill=2026-2",
            "cs_number": "02-000-0000",
            "cs_name": "세무과",
            "payload": format!("amount={}", 10_000 + receiver),
            "message": "2026년 제2기분 자동차세가 부과되었습니다.\n납부기한은 12월 31일입니다.",
            "external_document_uuid": format!("MEASURE-{receiver:08}-{i:03}"),
        },
    })
}

/// The processes under test.
pub(crate) struct Platform {
    pub(crate) gateways: Vec<Node>,
    /// The worker processes, if separate from the gateways.
    pub(crate) workers: Vec<Node>,
}

impl Platform {
    fn all(&self) -> impl Iterator<Item = &Node> {
        self.gateways.iter().chain(&self.workers)
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.all().map(Node::cpu_seconds).sum()
    }

    pub(crate) fn peak_mib(&self) -> u64 {
        self.all().map(Node::resident_mib).max().unwrap_or(0)
    }

    /// The sum of all processes' metrics.
    pub(crate) async fn counters(&self) -> Result<BTreeMap<String, f64>> {
        let mut all = BTreeMap::new();
        for node in self.all() {
            for (name, value) in node.counters().await? {
                *all.entry(name).or_insert(0.0) += value;
            }
        }
        Ok(all)
    }

    /// Notifications sent since the start.
    pub(crate) async fn delivered(&self) -> Result<u64> {
        let mut sum = 0;
        for node in self.all() {
            sum += node.counter("seoham_deliveries_total", "announced").await?;
        }
        Ok(sum)
    }

    /// The queue depth, and the age of the oldest entry in seconds.
    pub(crate) async fn queue(&self) -> Result<(f64, f64)> {
        let counters = self.gateways[0].counters().await?;
        let of = |name: &str| counters.get(name).copied().unwrap_or(0.0);
        Ok((of("seoham_queue_depth"), of("seoham_queue_oldest_age_seconds")))
    }

    /// Waits until the queue is empty.
    pub(crate) async fn settle(&self) -> Result<()> {
        while self.queue().await?.0 > 0.0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.gateways.into_iter().chain(self.workers).try_for_each(Node::stop)
    }
}

/// The load to generate.
pub(crate) struct Load<'a> {
    pub(crate) targets: &'a [Target],
    /// The target of each connection.
    pub(crate) connections: Vec<usize>,
    pub(crate) bodies: &'a [Body],
    pub(crate) duration: Duration,
    pub(crate) keys: Keys,
    /// Total documents per second; unlimited by default.
    pub(crate) per_second: Option<f64>,
    /// The delay before a rejected sender sends again.
    pub(crate) after_refusal: Duration,
}

impl<'a> Load<'a> {
    /// Unlimited load over `connections`, all as one institution.
    pub(crate) fn new(
        targets: &'a [Target],
        connections: usize,
        bodies: &'a [Body],
        duration: Duration,
    ) -> Self {
        let connections = vec![0; connections];
        let after_refusal = Duration::from_millis(20);
        Self { targets, connections, bodies, duration, keys: Keys::None, per_second: None, after_refusal }
    }
}

/// The result of a load.
#[derive(Default)]
pub(crate) struct Driven {
    pub(crate) accepted: u64,
    /// Accepted documents by target.
    pub(crate) accepted_of: Vec<u64>,
    pub(crate) seconds: f64,
    pub(crate) refused_requests: u64,
    pub(crate) refusals: Latencies,
    /// Some of the returned ids.
    pub(crate) ids: Vec<String>,
}

impl Driven {
    pub(crate) fn per_second(&self) -> f64 {
        self.accepted as f64 / self.seconds
    }
}

/// Sends the load, spread over the gateways.
pub(crate) async fn drive(platform: &Platform, load: &Load<'_>) -> Result<Driven> {
    let urls: Vec<String> =
        platform.gateways.iter().map(|node| format!("{}/v1/documents/bulk", node.url("bulk"))).collect();
    drive_at(&urls, load).await
}

/// Sends the load to these addresses.
pub(crate) async fn drive_at(urls: &[String], load: &Load<'_>) -> Result<Driven> {
    // Each sender has its own client, and so its own connection. They are created before the measurement.
    let client = || reqwest::Client::builder().pool_max_idle_per_host(1).build();
    let clients = load.connections.iter().map(|_| client()).collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    let senders = load.connections.iter().zip(clients).enumerate().map(|(c, (of, http))| {
        let sender = Sender { load, http, target: &load.targets[*of], url: &urls[c % urls.len()], started };
        async move { sender.run(c).await.map(|driven| (*of, driven)) }
    });
    let all = futures_util::future::try_join_all(senders).await?;
    let mut sum = Driven { accepted_of: vec![0; load.targets.len()], ..Driven::default() };
    for (of, driven) in all {
        sum.accepted += driven.accepted;
        sum.accepted_of[of] += driven.accepted;
        sum.refused_requests += driven.refused_requests;
        sum.refusals.append(driven.refusals);
        sum.ids.extend(driven.ids);
    }
    sum.seconds = started.elapsed().as_secs_f64();
    Ok(sum)
}

struct Sender<'a> {
    load: &'a Load<'a>,
    http: reqwest::Client,
    target: &'a Target,
    url: &'a str,
    started: Instant,
}

impl Sender<'_> {
    async fn run(&self, connection: usize) -> Result<Driven> {
        let mut driven = Driven::default();
        let mut bodies = self.load.bodies.iter().cycle().skip(connection * 13);
        let mut next = self.started;
        while self.started.elapsed() < self.load.duration {
            let Some(body) = bodies.next() else { break };
            if let Some(per_second) = self.load.per_second {
                tokio::time::sleep_until(next.into()).await;
                let each = body.items as f64 * self.load.connections.len() as f64 / per_second;
                next += Duration::from_secs_f64(each);
            }
            let begun = Instant::now();
            if let Some(ids) = send(&self.http, self.url, self.target, body, self.load.keys).await? {
                driven.accepted += ids.len() as u64;
                if driven.ids.len() < IDS_KEPT / self.load.connections.len() {
                    driven.ids.extend(ids);
                }
            } else {
                driven.refused_requests += 1;
                driven.refusals.add(begun.elapsed());
                tokio::time::sleep(self.load.after_refusal).await;
            }
        }
        Ok(driven)
    }
}

/// Sends one request; returns the accepted ids, or `None` if it was rejected temporarily.
pub(crate) async fn send(
    http: &reqwest::Client,
    url: &str,
    target: &Target,
    body: &Body,
    keys: Keys,
) -> Result<Option<Vec<String>>> {
    let mut request = http
        .post(url)
        .bearer_auth(&target.access_token)
        .header("contract-uuid", &target.contract_uuid)
        .header("content-type", "application/json")
        .body(body.bytes.clone());
    if keys == Keys::Fresh {
        request = request.header("idempotency-key", uuid::Uuid::now_v7().simple().to_string());
    }
    let answer = request.send().await?;
    match answer.status().as_u16() {
        200 => {
            let answer = answer.text().await?;
            let id = |from: (usize, &str)| answer.get(from.0 + 1..from.0 + 37).map(str::to_owned);
            Ok(Some(answer.match_indices("\"BIN-").filter_map(id).collect()))
        }
        429 | 503 => Ok(None),
        other => bail!("{other}"),
    }
}
