//! `seoham move`: from the embedded store into a database, atomically.

use std::process::{Command, Output};

use serde_json::json;

use crate::harness::{Backing, Browser, Server, Start, binary, document, documents, eventually};

fn move_into(from: &Start, to: &Backing) -> Output {
    let mut command = Command::new(binary());
    command.arg("move").arg("--data").arg(from.directory().join("data"));
    command.env("SEOHAM_STORE__DATABASE", to.url()).output().unwrap()
}

/// The link of a document's notification, as the simulated messenger shows it.
async fn taken_link(server: &Server, id: &str) -> String {
    let page = Browser::at(&server.url("web")).get("/messenger").await;
    let about = page.html.split("/l/").nth(1).unwrap_or_else(|| panic!("no link for {id}: {}", page.html));
    format!("/l/{}", about.split('"').next().unwrap())
}

#[tokio::test]
async fn a_life_begun_on_the_small_store_goes_on_in_the_database() {
    let small = Start::on(Backing::embedded());
    let server = small.up();
    let city = server.institution("가상시청").await;
    let mut ids = city.accepted(&documents(100)).await;
    ids.extend(city.accepted(&[document("01000000003", "W"), document("01000000002", "X")][..1]).await);
    city.until_notified(&ids[0]).await;
    let token = city.open_token(&ids[0]).await;
    city.verify(&ids[0], &token).await;
    city.mark_read(&ids[0]).await;
    let unused = city.open_token(&ids[1]).await;
    city.sandbox("people/refuse", json!({ "phone_number": "01000000005" })).await;
    let link = taken_link(&server, &ids[0]).await;
    let used = Browser::at(&server.url("web")).get(&link).await;
    assert_eq!(used.status, 200, "{}", used.html);
    city.advance(40_000).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    let before = city.statuses(&ids).await;

    let database = Backing::postgres();
    let said = String::from_utf8(move_into(&small, &database).stderr).unwrap();
    assert!(said.contains("another seoham process is using it"), "{said}");
    server.terminate();
    assert!(server.wait().0.success());
    let moved = move_into(&small, &database);
    let said = String::from_utf8_lossy(&moved.stderr);
    assert!(moved.status.success(), "{said}");
    let output = String::from_utf8_lossy(&moved.stdout);
    assert!(output.contains("documents") && output.contains("101"), "{output}");
    let again = move_into(&small, &database);
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && said.contains("was moved to PostgreSQL at"), "{said}");
    let said = small.try_up().err().expect("what was moved away is not served again");
    assert!(said.contains("was moved to PostgreSQL at") && !said.contains("postgres:"), "{said}");

    let key = small.directory().join("data/master.key");
    let large = Start::on(database).env("SEOHAM_KEYS__MASTER_FILE", key.to_str().unwrap());
    let server = large.up();
    let city = city.at(&server);
    assert_eq!(city.statuses(&ids).await, before);
    assert_eq!(city.verify(&ids[0], &token).await.status, 400, "used is used");
    let mut stranger = Browser::at(&server.url("web"));
    stranger.get(&link).await.shows(200, "새 링크가 필요합니다");
    assert_eq!(stranger.cookie(), None, "a link that was used there is used here");
    city.verify(&ids[1], &unused).await.is_error(400, "INVALID_VALUE");
    let refused = &city.send(&[document("01000000005", "R")]).await[0];
    assert_eq!(refused["error_code"], "FORBIDDEN");
    city.sandbox("people/join", json!({ "phone_number": "01000000003" })).await;
    city.until(&ids[100], "RECEIVED").await;
    let new = city.accepted(&documents(3)).await;
    eventually("what comes now is delivered", async || {
        city.statuses(&new).await.iter().all(|s| s["status_data"]["user_notified_at"].is_i64()).then_some(())
    })
    .await;
    let (_, shown) = server.admin("GET", &format!("institutions/{}", city.id), None).await;
    assert_eq!(shown["contracts"][0]["contract_uuid"], city.contract.as_str());
}
