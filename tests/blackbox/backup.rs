//! A backup made under load, then restored and used; and the deep check.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use seoham_scratch_postgres::Cluster;
use serde_json::json;

use crate::harness::{
    Backing, Browser, Client, DOCUMENTS, Server, Start, binary, bulk, documents, http, member_document,
};

fn run(start: &Start, arguments: &[&str], key: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments);
    start.backing().apply(&mut command, &start.directory().join("data"));
    command.env("SEOHAM_KEYS__MASTER_FILE", key).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The path of a sandbox's master key.
fn key_of(start: &Start) -> std::path::PathBuf {
    let own = start.directory().join("data/master.key");
    if start.backing().is_embedded() { own } else { start.backing().key() }
}

fn at(server: &Server, client: &Client) -> Client {
    Client { api: server.url("api"), bulk: server.url("bulk"), ..client.clone() }
}

/// Sends until `stop` is set.
async fn send_on(city: Client, stop: Arc<AtomicBool>) {
    let body = bulk(&documents(100));
    while !stop.load(Ordering::Relaxed) {
        let _ = city.bulk_request("/v1/documents/bulk", body.clone()).send().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_restored_and_used() {
    let messenger_is_away = Start::sandbox().env("SEOHAM_NOTIFIER__URL", "http://127.0.0.1:1/");
    let start =
        messenger_is_away.env("SEOHAM_NOTIFIER__SECRET", "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==");
    let server = start.up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("가상은행").await);
    let queued = city.accepted(&[member_document("queued-1"), member_document("queued-2")]).await;
    for id in &queued {
        city.until(id, "RECEIVED").await;
    }
    let token = city.open_token(&queued[0]).await;

    let stop = Arc::<AtomicBool>::default();
    let senders: Vec<_> = (0..4).map(|_| tokio::spawn(send_on(bank.clone(), Arc::clone(&stop)))).collect();
    let file = start.directory().join("seoham.backup");
    let key = key_of(&start);
    let backup = |name: &str| run(&start, &["backup", name, "--sandbox"], &key);
    let made = tokio::task::block_in_place(|| backup(file.to_str().unwrap()));
    assert!(made.status.success(), "{}", said(&made));
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let after = city.accepted(&[member_document("after")]).await.remove(0);
    let again = backup(file.to_str().unwrap());
    assert!(!again.status.success() && said(&again).contains("exists already"), "{}", said(&again));
    assert!(!said(&made).contains(&token) && said(&made).contains("master key"), "{}", said(&made));
    server.terminate();
    assert!(server.wait().0.success());

    for decision in ["send", "drop"] {
        let backing = if start.backing().is_embedded() { Backing::embedded() } else { Backing::postgres() };
        let there = Start::on(backing).env("SEOHAM_KEYS__MASTER_FILE", key.to_str().unwrap());
        let restored = run(&there, &["restore", file.to_str().unwrap()], &key);
        assert!(restored.status.success(), "{}", said(&restored));
        assert!(said(&restored).contains("가상시청: 시험"), "tokens are listed: {}", said(&restored));
        let checked = run(&there, &["check", "--deep", "--sandbox"], &key);
        assert!(checked.status.success(), "{}", said(&checked));
        let twice = run(&there, &["restore", file.to_str().unwrap()], &key);
        assert!(!twice.status.success(), "it is not written over");

        let server = there.up();
        let city = at(&server, &city);
        let (status, order) = server.admin("GET", "deliveries", None).await;
        assert_eq!((status, &order["queued"]), (200, &json!("held")));
        assert_eq!(city.status(&queued[0]).await["doc_box_status"], "RECEIVED");
        let gone = http().get(format!("{}/v1/documents/{after}/status", city.api)).bearer_auth(&city.token);
        let gone = gone.header("Contract-Uuid", &city.contract).send().await.unwrap();
        assert_eq!(gone.status(), 404, "it came after the backup");
        city.verify(&queued[0], &token).await.is_error(400, "INVALID_VALUE");
        let held = city.accepted(&[member_document("held")]).await.remove(0);
        let link = there
            .backing()
            .count("SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM login_links)");
        assert_eq!(link, 0);
        assert!(city.status(&held).await.get("user_notified_at").is_none(), "workers are held");

        // An unknown decision is rejected before the valid one.
        let (status, _) =
            server.admin("POST", "deliveries/release", Some(json!({ "queued": "maybe" }))).await;
        assert_eq!(status, 400);
        let (status, _) =
            server.admin("POST", "deliveries/release", Some(json!({ "queued": decision }))).await;
        assert_eq!(status, 200);
        if decision == "send" {
            city.advance(24 * 60 * 60).await;
            for id in &queued {
                city.until_notified(id).await;
            }
            let page = Browser::at(&server.url("web")).get("/messenger?number=01000000001").await;
            let links = page.links("/l/");
            // Newest first: the last one was queued before the backup.
            let oldest = links.last().expect("it was told");
            let mut stranger = Browser::at(&server.url("web"));
            let old = stranger.get(&oldest[oldest.find("/l/").unwrap()..]).await;
            // Earlier links are void: a new one goes only to the registered number.
            old.shows(200, "새 링크가 필요합니다");
            assert_eq!(stranger.cookie(), None, "{links:?}");
        } else {
            let new = loop {
                // Accepted in a later second than the decision.
                let new = city.accepted(&[member_document("new")]).await.remove(0);
                let drop_before =
                    server.admin("GET", "deliveries", None).await.1["drop_before"].as_i64().unwrap();
                if city.status(&new).await["doc_box_sent_at"].as_i64().unwrap() >= drop_before {
                    break new;
                }
            };
            city.until_notified(&new).await;
            city.until(&held, "RECEIVED").await;
            let (_, shown) = server.admin("GET", &format!("documents/{}", queued[0]), None).await;
            assert!(shown["user_notified_at"].is_null(), "nobody was told: {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_the_data_before_writes_nothing_into_what_was_restored() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let start = Start::on(Backing::at(database.url().to_owned()));
    let server = start.up();
    let city = server.institution("가상시청").await;
    city.accepted(&documents(10)).await;
    let (file, key) = (start.directory().join("backup"), start.backing().key());
    let made = run(&start, &["backup", file.to_str().unwrap()], &key);
    assert!(made.status.success(), "{}", said(&made));
    let name = database.name();
    cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
    cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
    // A session that connects before the restore is complete belongs to the old generation and must reconnect.
    let (restored, early) = std::thread::scope(|scope| {
        let early = scope.spawn(|| cluster.sql(name, "SELECT pg_sleep(600)"));
        let is_there = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        let patience = Instant::now() + Duration::from_secs(60);
        while cluster.sql("postgres", is_there).trim() != "1" {
            assert!(Instant::now() < patience, "somebody is connected");
            std::thread::sleep(Duration::from_millis(10));
        }
        (run(&start, &["restore", file.to_str().unwrap()], &key), early.join())
    });
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(early.is_err(), "its connection was ended");
    let stored = start.backing().count(DOCUMENTS);
    // It keeps trying to write until it detects the restore.
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(74));
    assert_eq!(start.backing().count(DOCUMENTS), stored);
    let new = start.node("new").up();
    at(&new, &city).accepted(&documents(1)).await;
}

#[tokio::test]
async fn everything_is_checked_and_damage_is_told() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&documents(5)).await.remove(0);
    city.until_notified(&id).await;
    let key = key_of(&start);
    let check = || run(&start, &["check", "--deep", "--sandbox"], &key);
    let sound = check();
    assert!(sound.status.success() && said(&sound).contains("is sound"), "{}", said(&sound));
    server.terminate();
    assert!(server.wait().0.success());
    start.backing().execute("UPDATE parcels SET parts = substr(parts, 1, length(parts) - 1)");
    let damaged = check();
    assert_eq!(damaged.status.code(), Some(1), "{}", said(&damaged));
    assert_eq!(said(&damaged).matches("a text of it does not open").count(), 1, "{}", said(&damaged));
}
