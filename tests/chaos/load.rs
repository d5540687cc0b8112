//! Institutions that send continuously and sometimes disconnect.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::deployment::Gateways;
use crate::harness::{Client, document};
use crate::ledger::Ledger;

/// Members, and one non-member.
const RECEIVERS: [&str; 4] = ["01000000001", "01000000003", "01000000005", "01000000001"];

/// Senders that run until they are dropped.
pub(crate) fn start(clients: &[Client], each: usize, gateways: &Gateways, ledger: &Ledger) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for client in clients {
        for n in 0..each {
            senders.spawn(send(client.clone(), n, gateways.clone(), ledger.clone()));
        }
    }
    senders
}

async fn send(client: Client, mut n: usize, gateways: Gateways, ledger: Ledger) {
    loop {
        n += 1;
        let Some(client) = gateways.aim(&client, n) else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (count, breaks_off) = {
            let mut random = rand::rng();
            (random.random_range(1..=100), random.random_bool(0.05))
        };
        let documents: Vec<Value> =
            (0..count).map(|i| document(RECEIVERS[i % RECEIVERS.len()], &format!("{n}-{i}"))).collect();
        let body = json!({ "documents": documents }).to_string();
        if breaks_off {
            tokio::task::spawn_blocking(move || send_and_go(&client, &body)).await.unwrap();
            continue;
        }
        let request = client.bulk_request("/v1/documents/bulk", body).timeout(Duration::from_secs(30));
        let answer: Option<Value> = match request.send().await {
            Ok(answer) if answer.status() == 200 => answer.json().await.ok(),
            _ => None,
        };
        match answer {
            Some(answer) => ledger.acknowledge(&client, &documents, &answer),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Sends a complete request and disconnects before the reply.
fn send_and_go(client: &Client, body: &str) {
    let Ok(mut socket) = TcpStream::connect(client.bulk.strip_prefix("http://").unwrap()) else { return };
    let _ = write!(
        socket,
        "POST /v1/documents/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContract-Uuid: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        client.token,
        client.contract,
        body.len()
    );
}
