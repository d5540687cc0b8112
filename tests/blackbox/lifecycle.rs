//! Startup, shutdown, and what startup rejects.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::json;

use crate::harness::{Backing, Start, binary, bulk, documents, eventually, http};

#[tokio::test]
async fn it_says_where_it_listens() {
    let server = Start::sandbox().up();
    for listener in ["api", "bulk", "web", "admin"] {
        let url = server.url(listener);
        assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");
    }
    assert_eq!(server.ready()["ready"], json!(true));
}

#[tokio::test]
async fn the_files_of_a_sandbox_are_its_owners_alone() {
    let server = Start::on(Backing::embedded()).up();
    for file in ["admin.token", "master.key", "seoham.db", "seoham.db-wal"] {
        let mode = std::fs::metadata(server.data().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_termination_finishes_what_runs() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    // A request whose body is still arriving when the shutdown starts.
    let body = bulk(&documents(100));
    let (first, rest) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /v1/documents/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContract-Uuid: {}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        city.token,
        city.contract,
        body.len()
    );
    let mut socket = TcpStream::connect(city.bulk.strip_prefix("http://").unwrap()).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    // The server asks for the body (100 Continue), so the request is running.
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(first.as_bytes()).unwrap();
    server.terminate();
    eventually("it is not ready any more", async || {
        let ready = http().get(format!("{}/readyz", server.url("admin"))).send().await.unwrap();
        (ready.status() == 503).then_some(())
    })
    .await;
    socket.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.100}");
    assert_eq!(answer.matches("BIN-").count(), 100);
    let (status, rest) = server.wait();
    assert!(status.success(), "{status}");
    assert_eq!(rest, "", "nothing but the ready line on standard output");
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&documents(10)).await;
    city.until_notified(&ids[9]).await;
    let before = city.statuses(&ids).await;
    let now = city.advance(1_000).await;
    server.terminate();
    assert!(server.wait().0.success());
    let server = start.up();
    let again = city.at(&server);
    assert_eq!(again.statuses(&ids).await.len(), before.len());
    for (after, before) in again.statuses(&ids).await.iter().zip(&before) {
        for (name, value) in before["status_data"].as_object().unwrap() {
            assert_eq!(&after["status_data"][name], value, "{name}");
        }
    }
    assert!(again.advance(0).await >= now, "the clock went on");
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let start = Start::on(Backing::embedded());
    let _server = start.up();
    let said = start.try_up().err().expect("refused");
    assert!(said.contains("another seoham process is using it"), "{said}");
}

#[tokio::test]
async fn a_store_for_live_people_is_made_on_purpose() {
    let start = Start::live_on(Backing::chosen());
    let said = start.try_up().err().expect("there is none");
    assert!(said.contains("seoham init-store"), "{said}");
    assert!(!start.directory().join("data").exists(), "nothing was made");
    let init = || {
        let mut command = Command::new(binary());
        command.arg("init-store");
        start.backing().apply(&mut command, &start.directory().join("data"));
        command.env("SEOHAM_KEYS__MASTER_FILE", start.directory().join("live.key")).output().unwrap()
    };
    let made = init();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let again = init();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && said.contains("holds a store already"), "{said}");
    start.up().kill();
    start.up();
}

#[tokio::test]
async fn the_mode_and_the_key_are_fixed() {
    let start = Start::sandbox();
    start.up().kill();
    let data = start.directory().join("data");
    let serve = |more: &[&str], key: Option<&str>| {
        let mut command = Command::new(binary());
        command.args(["serve", "--ready-json"]).args(more);
        start.backing().apply(&mut command, &data);
        command.env_remove("SEOHAM_KEYS__MASTER_FILE");
        for listen in ["api", "bulk", "web", "admin"] {
            command.arg(format!("--{listen}-listen=127.0.0.1:0"));
        }
        if let Some(key) = key {
            command.env("SEOHAM_KEYS__MASTER_FILE", key);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(serve(&[], None).contains("seoham keys new"));
    let own = data.join("master.key");
    let key = if start.backing().is_embedded() { own } else { start.backing().key() };
    let said = serve(&[], key.to_str());
    assert!(said.contains("was created as a sandbox"), "{said}");
    let other = start.directory().join("other.key");
    let made = Command::new(binary()).args(["keys", "new"]).arg(&other).output().unwrap();
    assert!(made.status.success());
    let said = serve(&["--sandbox"], other.to_str());
    assert!(said.contains("another master key"), "{said}");
    let again = Command::new(binary()).args(["keys", "new"]).arg(&other).output().unwrap();
    assert!(!again.status.success(), "an existing key is never overwritten");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = serve(&["--sandbox"], other.to_str());
    assert!(said.contains("chmod 600"), "{said}");
}

#[tokio::test]
async fn an_exchanged_master_key_opens_what_the_one_before_sealed() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let before = city.accepted(&documents(10)).await;
    server.kill();
    let own = start.directory().join("data").join("master.key");
    let key = if start.backing().is_embedded() { own } else { start.backing().key() };
    let exchanged = Command::new(binary()).args(["keys", "exchange"]).arg(&key).output().unwrap();
    assert!(exchanged.status.success(), "{}", String::from_utf8_lossy(&exchanged.stderr));
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let server = start.up();
    let city = city.at(&server);
    let after = city.accepted(&documents(10)).await;
    for ids in [before, after] {
        city.until_notified(&ids[9]).await;
        for answer in city.statuses(&ids).await {
            assert!(answer["status_data"]["payload"].is_string(), "it opens: {answer}");
        }
    }
}

#[tokio::test]
async fn wrong_configuration_is_told_and_secrets_are_masked() {
    let check = |variable: (&str, &str)| {
        let output = Command::new(binary())
            .args([
                "check",
                "--sandbox",
                "--config",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/seoham.toml"),
            ])
            .env(variable.0, variable.1)
            .output()
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    };
    let (ok, shown) = check(("SEOHAM_ADMIN__TOKEN", "a-secret-that-is-long-enough"));
    assert!(ok, "{shown}");
    assert!(shown.contains("token = \"********\"") && !shown.contains("a-secret"), "{shown}");
    let (ok, said) = check(("SEOHAM_LISTEN__APPI", "127.0.0.1:1"));
    assert!(!ok && said.contains("appi"), "{said}");
    let (ok, said) = check(("SEOHAM_LISTEN__API", "0.0.0.0:8080"));
    assert!(!ok && said.contains("without TLS"), "{said}");
    let (ok, said) = check(("SEOHAM_NOTIFIER__URL", "https://messenger.example.kr"));
    assert!(!ok && said.contains("notifier.secret"), "{said}");
}

#[tokio::test]
async fn an_operators_own_token_is_taken_from_the_environment() {
    let token = "operator-token-of-this-test";
    let server = Start::sandbox().env("SEOHAM_ADMIN__TOKEN", token).up();
    assert!(server.ready().get("admin_token_file").is_none());
    let request = http().get(format!("{}/admin/v1/institutions", server.url("admin"))).bearer_auth(token);
    assert_eq!(request.send().await.unwrap().status(), 200);
}
