//! What an operator hears and sees: an outage once, a line for every action, numbers even without the store.

use std::io::Read;
use std::process::{Command, Stdio};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use seoham_scratch_postgres::Cluster;
use serde_json::{Value, json};

use crate::harness::{Backing, Start, binary, documents, eventually, http, member_document};

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
    assert!(server.metrics().await.contains("seoham_messenger_unreachable 1"));

    let app = Router::new().route("/send", post(async || StatusCode::OK));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let messenger = tokio::spawn(async move { axum::serve(listener, app).await });
    city.accepted(&[member_document("new")]).await;
    eventually("its return is told", async || log().contains("takes messages again").then_some(())).await;
    assert!(server.metrics().await.contains("seoham_messenger_unreachable 0"));
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
    assert_eq!((&revoked["method"], &revoked["status"]), (&json!("DELETE"), &json!(204)));
    assert_eq!(revoked["what"], "/admin/v1/institutions/{institution}/tokens/{token}");
    assert_eq!(revoked["on"], json!([city.id, city.token_id]));
    assert!(
        revoked["from"].as_str().unwrap().starts_with("127.0.0.1:")
            && revoked["token"].as_str().unwrap().len() == 8
    );
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
