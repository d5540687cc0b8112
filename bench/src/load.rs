//! The load: ready-made bodies over kept connections, and as little work of our own as can be,
//! since the generator shares the machine with the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::server::{Server, Target, cpu_seconds, person};

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

pub(crate) async fn drive(
    server: &Server,
    target: &Target,
    bodies: &[String],
    connections: usize,
    duration: Duration,
) -> Result<Driven> {
    let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let (server_cpu, own_cpu) = (server.cpu_seconds(), cpu_seconds(std::process::id()));
    let started = Instant::now();
    let senders = (0..connections).map(|c| {
        let (accepted, refused) = (&accepted, &refused);
        async move {
            let mut bodies = bodies.iter().cycle().skip(c * 13);
            while started.elapsed() < duration {
                let Some(body) = bodies.next() else { break };
                let answer = server
                    .http
                    .post(format!("{}/v1/documents/bulk", server.url("bulk")))
                    .bearer_auth(&target.access_token)
                    .header("contract-uuid", &target.contract_uuid)
                    .header("content-type", "application/json")
                    .body(body.clone())
                    .send()
                    .await?;
                match answer.status().as_u16() {
                    200 => {
                        let answer = answer.bytes().await?;
                        let ids = answer.windows(5).filter(|w| w == b"\"BIN-").count();
                        accepted.fetch_add(ids as u64, Ordering::Relaxed);
                    }
                    429 | 503 => {
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    other => bail!("{other}"),
                }
            }
            anyhow::Ok(())
        }
    });
    futures_util::future::try_join_all(senders).await?;
    let seconds = started.elapsed().as_secs_f64();
    let (server_cpu_seconds, generator_cpu_seconds) =
        (server.cpu_seconds() - server_cpu, cpu_seconds(std::process::id()) - own_cpu);

    let accepted = accepted.into_inner();
    let delivered_meanwhile = delivered(server).await?;
    let draining = Instant::now();
    let mut last = delivered_meanwhile;
    while last < accepted {
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = delivered(server).await?;
    }
    Ok(Driven {
        accepted,
        seconds,
        refused_requests: refused.into_inner(),
        delivered_meanwhile,
        drained: last - delivered_meanwhile,
        drain_seconds: draining.elapsed().as_secs_f64(),
        server_cpu_seconds,
        generator_cpu_seconds,
        server_peak_mib: server.resident_mib(),
    })
}

async fn delivered(server: &Server) -> Result<u64> {
    server.counter("seoham_deliveries_total", "announced").await
}
