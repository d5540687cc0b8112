//! Hostile and faulty peers: whatever they hold open, others are served as usual, with little memory.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Client, Server, Start, bulk, document, documents, eventually, http};

const MEMORY_MAX: u64 = 256 * 1024 * 1024;

fn address(server: &Server, listener: &str) -> SocketAddr {
    let url = server.url(listener);
    url.split_once("://").unwrap().1.parse().unwrap()
}

/// A connection on which only `begin` was sent; `None` if it was rejected.
fn stalled(to: SocketAddr, begin: &[u8]) -> Option<TcpStream> {
    let mut socket = TcpStream::connect(to).ok()?;
    socket.write_all(begin).ok()?;
    Some(socket)
}

/// Whether the peer has closed the connection, with or without a reply.
fn is_closed(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    loop {
        match (&mut &*socket).read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Every listener serves a well-behaved client quickly enough that a person hardly notices a delay.
async fn all_are_served(server: &Server, city: &Client) {
    let from_elsewhere =
        reqwest::Client::builder().local_address(Some([127, 0, 0, 2].into())).build().unwrap();
    let begun = Instant::now();
    let page = from_elsewhere.get(server.url("web")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let alive = from_elsewhere.get(format!("{}/healthz", server.url("admin"))).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    let sent = |url: String| {
        from_elsewhere.post(url).bearer_auth(&city.token).header("Contract-Uuid", &city.contract)
    };
    let many = sent(format!("{}/v1/documents/bulk", city.bulk)).header("Content-Type", "application/json");
    assert_eq!(many.body(bulk(&documents(10))).send().await.unwrap().status(), 200);
    let one = sent(format!("{}/v1/documents", city.api)).header("Content-Type", "application/json");
    let body = json!({ "document": document("01000000001", "one") }).to_string();
    let one = one.body(body).send().await.unwrap();
    assert!(one.status().as_u16() < 500, "{}", one.status());
    assert!(begun.elapsed() < Duration::from_secs(5), "four calls took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_thousand_slow_forms_take_nothing_from_others() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let web = address(&server, "web");
    let begin = b"POST /login HTTP/1.1\r\nHost: box\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Content-Length: 1000\r\n\r\np";
    let sockets: Vec<TcpStream> = (0..1_100).filter_map(|_| stalled(web, begin)).collect();
    all_are_served(&server, &city).await;
    let metrics = server.metrics().await;
    assert!(
        metrics.contains("seoham_connections_refused_total{listener=\"web\",bound=\"address\"}"),
        "{metrics}"
    );
    let log = std::fs::read_to_string(server.data().with_extension("log")).unwrap();
    assert_eq!(log.matches("connections are refused").count(), 1, "it is told, and once");
    drop(sockets);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stalls_is_let_go_of_on_every_listener() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let head = format!(
        "POST /v1/documents/bulk HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContract-Uuid: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        city.token, city.contract
    );
    let form = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Content-Length: 1000\r\n\r\np";
    let import = format!(
        "POST /admin/v1/people HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 1000\r\n\r\n{{",
        server.admin_token()
    );
    let half_a_head = "GET /v1/documents/BIN-1/status HTTP/1.1\r\nHost: a\r\nX: ";
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut sockets = Vec::new();
    for (listener, body) in [("api", &*head), ("bulk", &head), ("web", form), ("admin", &import)] {
        for begin in ["", half_a_head, preface, body] {
            sockets.push((listener, begin, stalled(address(&server, listener), begin.as_bytes()).unwrap()));
        }
    }
    all_are_served(&server, &city).await;
    // A silent HTTP/2 connection gets a ping and does not answer it.
    for (listener, begin, socket) in sockets {
        eventually(&format!("{listener} lets go of {begin:?}"), async || is_closed(&socket).then_some(()))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_calls_of_one_institution_take_little_memory() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let bank = server.institution("가상은행").await;
    let id = city.accepted(&documents(1)).await.remove(0);
    let (head, body) = (
        format!(
            "POST /v1/documents/{id} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            city.token
        ),
        vec![b' '; 63 * 1024],
    );
    let mut begin = head.into_bytes();
    begin.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    begin.extend_from_slice(&body);
    begin.extend_from_slice(b"\r\n");
    let api = address(&server, "api");
    let reports: Vec<_> = (0..300).filter_map(|_| stalled(api, &begin)).collect();
    let mut heads = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    heads.resize(250 * 1024, b'x');
    let heads: Vec<_> = (0..450).filter_map(|_| stalled(address(&server, "bulk"), &heads)).collect();
    all_are_served(&server, &bank).await;
    let resident = server.resident_bytes();
    assert!(resident < MEMORY_MAX, "{} MiB", resident >> 20);
    drop((reports, heads));
    eventually("the institution is served again", async || {
        let report = json!({ "document": { "is_detail_read": true } });
        let answer = city.post(&format!("/v1/documents/{id}"), &report).send().await.ok()?;
        (answer.status() == 403).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_has_shut_down_its_sending_side_is_answered() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    for (listener, body) in [("api", bulk(&documents(3))), ("bulk", bulk(&documents(100)))] {
        let request = format!(
            "POST /v1/documents/bulk HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContract-Uuid: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            city.token,
            city.contract,
            body.len()
        );
        let mut socket = TcpStream::connect(address(&server, listener)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("BIN-"), "{listener}: {answer}");
    }
}

#[tokio::test]
async fn headers_that_say_two_things_are_ambiguous() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let send = || {
        http()
            .post(format!("{}/v1/documents/bulk", city.bulk))
            .header("Content-Type", "application/json")
            .body(bulk(&documents(1)))
    };
    let with = |token: &str| send().bearer_auth(token).header("Contract-Uuid", &city.contract);
    let twice = Answer::of(with(&city.token).header("Contract-Uuid", &city.contract)).await;
    assert_eq!(twice.status, 200, "the same twice is once: {}", twice.body);
    let other = "CON-00000000000000000000000000000000";
    for (name, value) in [
        ("Contract-Uuid", other),
        ("Authorization", "Bearer 00000000000000000000000000000000"),
        ("Idempotency-Key", "b"),
        ("Seoham-Dry-Run", "false"),
    ] {
        let request = with(&city.token).header("Idempotency-Key", "a").header("Seoham-Dry-Run", "true");
        let answer = Answer::of(request.header(name, value)).await;
        answer.is_error(400, "INVALID_VALUE");
        assert!(answer.message().contains(name), "{}", answer.message());
    }
    let empty = Answer::of(send().bearer_auth(&city.token).header("Contract-Uuid", "")).await;
    empty.is_error(400, "INVALID_VALUE");
    assert!(empty.message().contains("없습니다"), "{}", empty.message());
    let empty = Answer::of(send().header("Authorization", "").header("Contract-Uuid", &city.contract)).await;
    empty.is_error(401, "UNAUTHORIZED");
    assert_eq!(Answer::of(with(&city.token).header("Idempotency-Key", "")).await.status, 200);
}

#[tokio::test]
async fn encoded_marked_and_long_bodies() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let request = |body: String| city.bulk_request("/v1/documents/bulk", body);
    let gzip = Answer::of(request(bulk(&documents(1))).header("Content-Encoding", "gzip")).await;
    gzip.is_error(415, "INVALID_VALUE");
    assert!(gzip.message().contains("gzip"), "{}", gzip.message());
    let identity = request(bulk(&documents(1))).header("Content-Encoding", "identity");
    assert_eq!(Answer::of(identity).await.status, 200);
    let marked = Answer::of(request(format!("\u{feff}{}", bulk(&documents(1))))).await;
    assert_eq!(marked.status, 200, "{}", marked.body);

    let id = city.accepted(&documents(1)).await.remove(0);
    let report = |more: usize| {
        let body = json!({ "document": { "is_detail_read": true, "note": "x".repeat(more) } });
        Answer::of(city.post(&format!("/v1/documents/{id}"), &body))
    };
    report(60 * 1024).await.is_error(403, "FORBIDDEN");
    let long = report(64 * 1024).await;
    long.is_error(413, "INVALID_VALUE");
    assert!(long.message().contains("64KiB"), "{}", long.message());
}

#[tokio::test]
async fn a_shared_sandbox_is_not_advanced_out_of_use() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let years = |years: i64| json!({ "advance_seconds": years * 365 * 86_400 });
    for _ in 0..5 {
        assert_eq!(Answer::of(city.post("/sandbox/v1/clock", &years(10))).await.status, 200);
    }
    let refused = Answer::of(city.post("/sandbox/v1/clock", &years(1))).await;
    refused.is_error(400, "INVALID_VALUE");
    assert!(refused.message().contains("50년"), "{}", refused.message());
    city.accepted(&documents(1)).await;
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The start of an HTTP/2 connection with a window of zero, so that no reply gets through, and requests for `path` on
/// as many streams as allowed.
fn zero_window(path: &str) -> Vec<u8> {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    begin.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    // :method GET, :scheme http, then :path and :authority as literals.
    let mut head = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    head.extend(path.as_bytes());
    head.extend([0x01, 1, b'a']);
    for stream in 0..32 {
        // END_HEADERS and END_STREAM: this is the whole request.
        begin.extend(frame(HEADERS, 0x4 | 0x1, 2 * stream + 1, &head));
    }
    begin
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_nothing_of_its_answers_takes_little_memory() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut sockets = Vec::new();
    for (listener, path) in [
        ("api", "/docs/swagger-ui-bundle.js"),
        ("api", "/openapi.json"),
        ("web", "/login"),
        ("admin", "/metrics"),
    ] {
        let begin = zero_window(path);
        let to = address(&server, listener);
        sockets.extend((0..100).filter_map(|_| stalled(to, &begin)));
        // In HTTP/1, a peer that does not read has the same effect.
        let begin = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        sockets.extend((0..100).filter_map(|_| stalled(to, begin.as_bytes())));
    }
    assert!(sockets.len() > 500, "{}", sockets.len());
    all_are_served(&server, &city).await;
    let resident = server.resident_bytes();
    assert!(resident < MEMORY_MAX, "{} MiB", resident >> 20);
}

/// Sets the soft limit on the file descriptors of a process.
fn limit_descriptors(server: &Server, soft: usize) {
    let pid = server.pid().to_string();
    let limit = format!("--nofile={soft}:");
    let limited = std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(limited.expect("prlimit is a part of Debian").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_descriptors_says_so_and_serves_again_when_it_has_some() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    all_are_served(&server, &city).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    limit_descriptors(&server, open + 2);
    let to = address(&server, "web");
    let sockets: Vec<TcpStream> = (0..20).filter_map(|_| stalled(to, b"GET /login HTTP/1.1\r\nX")).collect();
    let path = server.data().with_extension("log");
    let log = eventually("it is logged", async || {
        let log = std::fs::read_to_string(&path).unwrap();
        log.contains("no file descriptors left").then_some(log)
    })
    .await;
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("web")), "{log}");
    // It waits instead of spinning.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = std::fs::read_to_string(&path).unwrap();
    assert_eq!(log.matches("no file descriptors left").count(), 1, "once a minute: {log}");
    drop(sockets);
    limit_descriptors(&server, 4_096);
    eventually("it serves again", async || {
        http().get(server.url("web")).send().await.ok().filter(|page| page.status() == 200)
    })
    .await;
    all_are_served(&server, &city).await;
    let metrics = server.metrics().await;
    let counted = metrics.lines().find(|line| {
        line.starts_with("seoham_accept_failures_total")
            && line.contains("kind=\"descriptors\"")
            && line.contains("listener=\"web\"")
    });
    let times: f64 = counted.expect("counted").rsplit(' ').next().unwrap().parse().unwrap();
    assert!((1.0..2_000.0).contains(&times), "{times} attempts in two seconds");
}
