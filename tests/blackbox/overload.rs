//! Under overload the server rejects requests at once, and its memory stays flat.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;

use crate::harness::{Answer, Client, Start, bulk, documents, http};

#[tokio::test]
async fn beyond_its_bounds_it_refuses_at_once() {
    let server = Start::sandbox()
        .env("SEOHAM_ADMISSION__REQUESTS", "4")
        .env("SEOHAM_ADMISSION__REQUESTS_PER_INSTITUTION", "3")
        .up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("가상은행").await);
    // Requests whose bodies never end keep their permits.
    let hold = |client: &Client| {
        let client = client.clone();
        tokio::spawn(async move {
            // Rejected while others hold the permit, or timed out, it tries again.
            loop {
                let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
                let body = reqwest::Body::wrap_stream(never);
                let _ = client.bulk_request("/v1/documents/bulk", body).send().await;
            }
        })
    };
    // First fill the institution's own limit while it is the only one; then there is room for one more.
    let mut held: Vec<_> = [&city, &city, &city].map(hold).into();
    let refused = crate::harness::eventually("the institution's own bound", async || {
        let answer = Answer::of(city.bulk_request("/v1/documents/bulk", bulk(&documents(1)))).await;
        (answer.status == 429).then_some(answer)
    })
    .await;
    refused.is_error(429, "TOO_MANY_REQUESTS");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    // The missing contract would only be detected when the token is looked up.
    crate::harness::eventually("a known token is refused before it is looked up", async || {
        let nameless = http().post(format!("{}/v1/documents/bulk", city.bulk)).bearer_auth(&city.token);
        let answer = Answer::of(nameless.json(&documents(1))).await;
        (answer.status == 429).then_some(())
    })
    .await;
    let unknown = http().post(format!("{}/v1/documents/bulk", city.bulk)).bearer_auth("0".repeat(32));
    Answer::of(unknown.json(&documents(1))).await.is_error(401, "UNAUTHORIZED");
    held.push(hold(&bank));
    let refused = crate::harness::eventually("everybody's bound", async || {
        let answer = Answer::of(bank.bulk_request("/v1/documents/bulk", bulk(&documents(1)))).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    refused.is_error(503, "INTERNAL_ERROR");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);

    // People's calls work all the while.
    let id = format!("BIN-{}", "0".repeat(32));
    Answer::of(city.get(&format!("/v1/documents/{id}/status"))).await.is_error(404, "NOT_FOUND");
    for task in held {
        task.abort();
    }
    crate::harness::eventually("leave is given back", async || {
        let answer = Answer::of(city.bulk_request("/v1/documents/bulk", bulk(&documents(1)))).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn bodies_of_unknown_length_take_the_room_that_they_need() {
    let server = Start::sandbox().env("SEOHAM_ADMISSION__BYTES", "4194304").up();
    let city = server.institution("가상시청").await;
    let stalled: Vec<_> = (0..8)
        .map(|_| {
            let mut socket = TcpStream::connect(city.bulk.strip_prefix("http://").unwrap()).unwrap();
            let head = format!(
                "POST /v1/documents/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
                 Contract-Uuid: {}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
                 Transfer-Encoding: chunked\r\n\r\n",
                city.token, city.contract
            );
            socket.write_all(head.as_bytes()).unwrap();
            // The server asked for its body, so it has a permit.
            let mut go_on = [0; 12];
            socket.read_exact(&mut go_on).unwrap();
            assert_eq!(&go_on, b"HTTP/1.1 100");
            socket
        })
        .collect();
    assert_eq!(city.accepted(&documents(100)).await.len(), 100);
    drop(stalled);
}

#[tokio::test]
async fn memory_stays_flat_under_bulk_load() {
    const BOUND: u64 = 200 * 1024 * 1024;
    /// Concurrent requests: more than are admitted.
    const SENDERS: usize = 80;
    /// Requests of a hundred documents each that must be accepted.
    const REQUESTS: u64 = 800;
    let server = Start::sandbox().env("SEOHAM_LOG__LEVEL", "warn").up();
    let city = server.institution("가상시청").await;
    let body = bulk(&documents(100));
    let client = reqwest::Client::new();
    let _ = http();
    let (accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    join_all((0..SENDERS).map(|_| async {
        while accepted.load(Ordering::Relaxed) < REQUESTS {
            let request = client
                .post(format!("{}/v1/documents/bulk", city.bulk))
                .bearer_auth(&city.token)
                .header("Contract-Uuid", &city.contract)
                .header("Content-Type", "application/json");
            match request.body(body.clone()).send().await.unwrap().status().as_u16() {
                200 => accepted.fetch_add(1, Ordering::Relaxed),
                503 | 429 => refused.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other}"),
            };
        }
    }))
    .await;
    assert!(refused.load(Ordering::Relaxed) > 0, "more was sent than it may have under way");
    let peak = server.peak_bytes();
    assert!(peak < BOUND, "{} MiB at most", peak / 1024 / 1024);
}
