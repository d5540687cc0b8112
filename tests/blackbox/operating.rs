//! What an operator sees: one alert for an outage, a log line for every action, metrics even without the store.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use seoham_scratch_postgres::Cluster;
use serde_json::{Value, json};

use crate::harness::{Backing, Server, Start, binary, documents, eventually, http, member_document};

#[tokio::test]
async fn an_unreachable_messenger_is_told_once_and_its_return_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let start = Start::sandbox()
        .env("SEOHAM_NOTIFIER__URL", &format!("http://{address}/send"))
        .env("SEOHAM_NOTIFIER__SECRET", "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==");
    let server = start.up();
    let city = server.institution("가상시청").await;
    city.accepted(&documents(5)).await;
    let log = || std::fs::read_to_string(server.data().with_extension("log")).unwrap();
    eventually("the outage is told", async || {
        log().contains("the messenger takes no messages").then_some(())
    })
    .await;
    assert!(server.metrics().await.contains("seoham_messenger_unreachable{provider=\"http\"} 1"));

    let app = Router::new().route("/send", post(async || StatusCode::OK));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let messenger = tokio::spawn(async move { axum::serve(listener, app).await });
    city.accepted(&[member_document("new")]).await;
    eventually("its return is told", async || log().contains("takes messages again").then_some(())).await;
    assert!(server.metrics().await.contains("seoham_messenger_unreachable{provider=\"http\"} 0"));
    assert_eq!(log().matches("the messenger takes no messages").count(), 1, "once");
    messenger.abort();
}

#[tokio::test]
async fn metrics_are_served_while_the_database_is_away() {
    let cluster = Cluster::start(&[]);
    let server = Start::on(Backing::at(cluster.database().url().to_owned())).up();
    assert!(server.metrics().await.contains("seoham_store_reachable 1"));
    cluster.freeze();
    eventually("the store is known to be away", async || {
        let metrics = server.metrics().await;
        assert!(metrics.contains("seoham_requests_total"), "what the process knows: {metrics}");
        metrics.contains("seoham_store_reachable 0").then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_action_is_one_line_of_its_own_log() {
    let server = Start::sandbox().env("SEOHAM_LOG__LEVEL", "error").up();
    let city = server.institution("가상시청").await;
    server.admin("DELETE", &format!("institutions/{}/tokens/{}", city.id, city.token_id), None).await;
    server.admin("GET", "documents/01012345678", None).await;
    let anybody = http().get(format!("{}/admin/v1/institutions", server.url("admin")));
    assert_eq!(anybody.bearer_auth("nobody").send().await.unwrap().status(), 401);
    let text = std::fs::read_to_string(server.data().join("actions.log")).unwrap();
    let actions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(actions.len(), 5, "{text}");
    let revoked = &actions[3];
    assert_eq!(revoked["status"], 204);
    assert_eq!(revoked["what"], "DELETE /admin/v1/institutions/{institution}/tokens/{token}");
    assert_eq!(
        (&revoked["on"], &revoked["institution"]),
        (&json!([city.id, city.token_id]), &json!(city.id))
    );
    assert_eq!((&revoked["by"], &revoked["from"]), (&json!("operator"), &json!("127.0.0.1")));
    assert_eq!(revoked["token"].as_str().unwrap().len(), 8);
    assert!(!text.contains("01012345678"), "only ids are told: {text}");
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    for arguments in [&["openapi"][..], &["completions", "bash"], &["--help"], &["check", "--sandbox"]] {
        let mut command = Command::new(binary());
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success() && said.is_empty(), "{arguments:?}: {status} {said}");
    }
}

#[test]
fn a_check_says_what_live_people_would_miss() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    assert!(Command::new(binary()).args(["keys", "new"]).arg(&key).output().unwrap().status.success());
    let output = Command::new(binary()).arg("check").env("SEOHAM_KEYS__MASTER_FILE", &key).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("notifier.url") && said.contains("web.public_url"),
        "{said}"
    );
}

#[tokio::test]
async fn the_operators_commands_say_what_matters() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let token = server.ready()["admin_token_file"].as_str().unwrap().to_owned();
    let admin = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["admin", "--url", &server.url("admin"), "--token-file", &token]).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    };
    let (status, _, said) = admin(&["institution", "create", "가상시청"]);
    assert!(status == Some(0) && said.contains(&city.id) && said.contains("same name"), "{said}");
    let (status, _, said) = admin(&["contract", "close", &city.id, &city.contract]);
    assert!(status == Some(1) && said.contains("--yes"), "{said}");
    city.accepted(&documents(1)).await;
    let (status, ..) = admin(&["contract", "close", "--yes", &city.id, &city.contract]);
    assert_eq!(status, Some(0));
    let (_, shown, _) = admin(&["institution", "show", &city.id]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let made = shown["tokens"][0]["created_at"].as_str().expect("a date for a person");
    assert!(made.starts_with("20") && made.len() == "2026-11-26 17:03:59".len(), "{made}");
    let (_, shown, _) = admin(&["--json", "institution", "show", &city.id]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["tokens"][0]["created_at"].is_i64(), "{shown}");

    let people = server.data().join("people.ndjson");
    let good = r#"{"phone_number":"01088880000","name":"김가상","birthday":"19900101","member":true}"#;
    std::fs::write(&people, format!("\u{feff}{good}\n")).unwrap();
    let (status, said, _) = admin(&["import-people", people.to_str().unwrap()]);
    assert!(status == Some(0) && said.contains("\"imported\": 1"), "{said}");
    std::fs::write(&people, format!("{good}\n{{}}\n")).unwrap();
    let (status, said, _) = admin(&["import-people", people.to_str().unwrap()]);
    assert!(status == Some(1) && said.contains("\"line\": 2"), "a script hears of it: {said}");
}

#[test]
fn a_start_says_what_is_wrong_with_the_files_and_nothing_of_migrations() {
    let start = Start::on(Backing::embedded());
    start.up().kill();
    let log = std::fs::read_to_string(start.directory().join("data.log")).unwrap();
    assert!(!log.contains("refinery"), "{log}");
    let data = start.directory().join("data");
    std::fs::remove_file(data.join("seoham.db-shm")).unwrap();
    std::fs::create_dir(data.join("seoham.db-shm")).unwrap();
    let said = start.try_up().err().expect("refused");
    assert!(said.contains("mounted for writing"), "{said}");
}

/// The output of `seoham admin …`, parsed as JSON.
fn admin_json(server: &Server, arguments: &[&str]) -> Value {
    let mut command = Command::new(binary());
    command.arg("admin").args(arguments).args(["--json", "--url", &server.url("admin")]);
    let output = command.env("SEOHAM_ADMIN__TOKEN", server.admin_token()).output().expect("runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn what_was_not_taken_is_listed_with_its_reason_and_sent_again() {
    // A messenger with a configurable reply.
    let answer = Arc::new(AtomicU16::new(503));
    let tried = Arc::new(AtomicU16::new(0));
    let app = {
        let (answer, tried) = (Arc::clone(&answer), Arc::clone(&tried));
        Router::new().route(
            "/send",
            post(move || {
                tried.fetch_add(1, Ordering::SeqCst);
                let status = StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap();
                std::future::ready(status)
            }),
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    let messenger = tokio::spawn(async move { axum::serve(listener, app).await });
    let server = Start::sandbox()
        .env("SEOHAM_NOTIFIER__URL", &url)
        .env("SEOHAM_NOTIFIER__SECRET", "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==")
        .up();
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&[member_document("A"), member_document("B")]).await;
    let list = async |name: &str| {
        let (status, page) = server.admin("GET", &format!("notifications/{name}"), None).await;
        assert_eq!(status, 200, "{page}");
        page["notifications"].as_array().unwrap().clone()
    };
    let notification = async |id: &str| {
        server.admin("GET", &format!("documents/{id}"), None).await.1["notification"].clone()
    };

    let waiting = eventually("both wait to be tried again", async || {
        Some(list("waiting").await).filter(|found| found.len() == 2)
    })
    .await;
    for notice in &waiting {
        assert_eq!(notice["last_error"], "status_503");
        assert_eq!(notice["institution_id"], city.id);
        assert!(notice["attempts"].as_u64().unwrap() >= 1);
        assert!(notice["next_attempt_at"].as_i64().unwrap() >= notice["first_attempt_at"].as_i64().unwrap());
    }
    let document = server.admin("GET", &format!("documents/{}", ids[0]), None).await.1;
    assert_eq!(document["undelivered"]["last_error"], "status_503", "{document}");

    answer.store(400, Ordering::SeqCst);
    let given_up = eventually("both are given up", async || {
        admin_json(&server, &["notifications", "send-again", "--all", "--list", "waiting"]);
        Some(list("given-up").await).filter(|found| found.len() == 2)
    })
    .await;
    for notice in &given_up {
        assert_eq!(notice["last_error"], "status_400");
        assert!(notice["attempts"].as_u64().unwrap() >= 2 && notice["given_up_at"].is_i64(), "{notice}");
    }
    let shown = admin_json(&server, &["notifications", "given-up", "--institution", &city.id]);
    assert_eq!(shown["notifications"].as_array().unwrap().len(), 2);

    answer.store(200, Ordering::SeqCst);
    let again = |which: &[&str]| {
        admin_json(&server, &[&["notifications", "send-again"], which].concat())["sent_again"].clone()
    };
    assert_eq!(again(&["--document", &ids[0]]), 1);
    eventually("the one is taken", async || (notification(&ids[0]).await == "taken").then_some(())).await;
    assert_eq!(notification(&ids[1]).await, "given_up", "the other was not meant");
    let tried_before = tried.load(Ordering::SeqCst);
    assert_eq!(again(&["--institution", &city.id]), 1);
    eventually("the other is taken", async || (notification(&ids[1]).await == "taken").then_some(())).await;
    assert_eq!(tried.load(Ordering::SeqCst), tried_before + 1, "nobody is told twice");
    assert_eq!(again(&["--all"]), 0);
    let (status, refused) =
        server.admin("POST", &format!("documents/{}/send-again", ids[1]), Some(json!({}))).await;
    assert_eq!(status, 400, "{refused}");
    assert_eq!(server.admin("GET", "notifications/other", None).await.0, 404);
    messenger.abort();
}

#[tokio::test]
async fn an_operator_sees_when_a_token_was_last_used() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let token = async || {
        let shown = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
        shown["tokens"][0].clone()
    };
    let unused = token().await;
    assert!(unused["created_at"].is_i64() && unused.get("last_used_at").is_none(), "{unused}");
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let used = eventually("its use is noted", async || {
        Some(token().await).filter(|token| token["last_used_at"].is_i64())
    })
    .await;
    let sent_at = city.status(&id).await["doc_box_sent_at"].as_i64().unwrap();
    assert!((used["last_used_at"].as_i64().unwrap() - sent_at).abs() <= 60, "{used}");
}
