//! The load: ready-made bodies over kept connections, and as little work of our own as can be,
//! since the generator shares the machine with the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::node::{Node, Target, cpu_seconds, person};

/// Different bodies; enough that receivers differ from request to request.
const BODIES: u32 = 200;

/// What came of the load.
pub(crate) struct Driven {
    pub(crate) accepted: u64,
    pub(crate) seconds: f64,
    pub(crate) refused_requests: u64,
    /// Announced while the load was on.
    pub(crate) delivered_meanwhile: u64,
    /// The rest, and how long it took.
    pub(crate) drained: u64,
    pub(crate) drain_seconds: f64,
    pub(crate) server_cpu_seconds: f64,
    pub(crate) generator_cpu_seconds: f64,
    pub(crate) server_peak_mib: u64,
}

/// Whether requests carry an idempotency key of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    None,
    Fresh,
}

pub(crate) fn bodies(people: u32, items: usize) -> Vec<String> {
    let mut next = 0u32;
    (0..BODIES)
        .map(|_| {
            let documents: Vec<Value> = (0..items)
                .map(|i| {
                    next = next.wrapping_add(7_919);
                    document(next % people, i)
                })
                .collect();
            json!({ "documents": documents }).to_string()
        })
        .collect()
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
    /// Those that deliver, if others than the gateways do.
    pub(crate) workers: Vec<Node>,
}

impl Platform {
    fn all(&self) -> impl Iterator<Item = &Node> {
        self.gateways.iter().chain(&self.workers)
    }

    /// Announced since they started.
    pub(crate) async fn delivered(&self) -> Result<u64> {
        let mut sum = 0;
        for node in self.all() {
            sum += node.counter("seoham_deliveries_total", "announced").await?;
        }
        Ok(sum)
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.gateways.into_iter().chain(self.workers).try_for_each(Node::stop)
    }
}

/// Sends for `duration` over `connections`, spread over the gateways.
pub(crate) async fn drive(
    platform: &Platform,
    target: &Target,
    bodies: &[String],
    connections: usize,
    duration: Duration,
) -> Result<Driven> {
    drive_with(Keys::None, platform, target, bodies, connections, duration).await
}

/// The same, with or without keys.
pub(crate) async fn drive_with(
    keys: Keys,
    platform: &Platform,
    target: &Target,
    bodies: &[String],
    connections: usize,
    duration: Duration,
) -> Result<Driven> {
    let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let server_cpu = || platform.all().map(Node::cpu_seconds).sum::<f64>();
    let (cpu_before, own_before) = (server_cpu(), cpu_seconds(std::process::id()));
    let delivered_before = platform.delivered().await?;
    let started = Instant::now();
    let senders = (0..connections).map(|c| {
        let (accepted, refused) = (&accepted, &refused);
        let gateway = &platform.gateways[c % platform.gateways.len()];
        async move {
            let mut bodies = bodies.iter().cycle().skip(c * 13);
            while started.elapsed() < duration {
                let Some(body) = bodies.next() else { break };
                if let Some(ids) = send(gateway, target, body, keys).await? {
                    accepted.fetch_add(ids.len() as u64, Ordering::Relaxed);
                } else {
                    refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(())
        }
    });
    futures_util::future::try_join_all(senders).await?;
    let seconds = started.elapsed().as_secs_f64();
    let (server_cpu_seconds, generator_cpu_seconds) =
        (server_cpu() - cpu_before, cpu_seconds(std::process::id()) - own_before);
    let accepted = accepted.into_inner();
    Ok(Driven {
        accepted,
        seconds,
        refused_requests: refused.into_inner(),
        delivered_meanwhile: platform.delivered().await? - delivered_before,
        drained: 0,
        drain_seconds: 0.0,
        server_cpu_seconds,
        generator_cpu_seconds,
        server_peak_mib: platform.all().map(Node::resident_mib).max().unwrap_or(0),
    })
}

impl Driven {
    /// Waits until `all` that the platform ever accepted is delivered.
    pub(crate) async fn drain(&mut self, platform: &Platform, all: u64) -> Result<()> {
        let draining = Instant::now();
        let before = platform.delivered().await?;
        let mut last = before;
        while last < all {
            tokio::time::sleep(Duration::from_millis(100)).await;
            last = platform.delivered().await?;
        }
        self.drained = last - before;
        self.drain_seconds = draining.elapsed().as_secs_f64();
        Ok(())
    }
}

/// Sends one request; gives the ids accepted, or `None` when it was refused for now.
pub(crate) async fn send(
    gateway: &Node,
    target: &Target,
    body: &str,
    keys: Keys,
) -> Result<Option<Vec<String>>> {
    let mut request = gateway
        .http
        .post(format!("{}/v1/documents/bulk", gateway.url("bulk")))
        .bearer_auth(&target.access_token)
        .header("contract-uuid", &target.contract_uuid)
        .header("content-type", "application/json")
        .body(body.to_owned());
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
