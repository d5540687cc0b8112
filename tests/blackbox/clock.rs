//! A machine whose clock is wrong: nothing is lost, nothing expires too early, and the operator is warned.

use serde_json::json;

use crate::harness::{
    Client, DOCUMENTS, MachineClock, QUEUED, Server, Start, documents, eventually, http, member_document,
};

const DAY: i64 = 24 * 60 * 60;

async fn readiness(server: &Server) -> (u16, String) {
    let request = http().get(format!("{}/readyz", server.url("admin"))).header("Accept-Language", "en");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn until_ready(server: &Server, ready: bool) {
    eventually(&format!("ready: {ready}"), async || {
        ((readiness(server).await.0 == 200) == ready).then_some(())
    })
    .await;
}

fn log(start: &Start) -> String {
    std::fs::read_to_string(start.directory().join("data.log")).unwrap()
}

/// A sandbox that removes documents after 30 days, and an institution in it.
async fn up() -> (Start, MachineClock, Server, Client) {
    let (start, clock) = MachineClock::of(Start::sandbox().env("SEOHAM_STORE__RETENTION_DAYS", "30"));
    let server = start.up();
    let city = server.institution("가상시청").await;
    (start, clock, server, city)
}

async fn are_received(city: &Client, ids: &[String]) {
    for status in city.statuses(ids).await {
        assert_eq!(status["status_data"]["doc_box_status"], "RECEIVED", "{status}");
    }
}

#[tokio::test]
async fn a_wrong_reading_of_the_clock_expires_and_removes_nothing() {
    let (start, clock, server, city) = up().await;
    let ids = city.accepted(&documents(10)).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    let before = server.admin("GET", "clock", None).await.1["now"].as_i64().unwrap();
    for shift in [60 * DAY, -20 * 365 * DAY] {
        let warnings_before = log(&start).matches("the process goes on by its own").count();
        clock.set_ahead(shift);
        if start.backing().is_embedded() {
            until_ready(&server, false).await;
            assert!(readiness(&server).await.1.contains("clock was set"));
            let refused = city.bulk_request("/v1/documents/bulk", "{}").send().await.unwrap();
            assert_eq!(
                (refused.status().as_u16(), refused.headers().contains_key("retry-after")),
                (503, true)
            );
            let page = http().get(server.url("web")).send().await.unwrap();
            assert_eq!((page.status().as_u16(), page.headers().contains_key("retry-after")), (503, true));
        } else {
            // The database's clock confirms the process's clock.
            eventually("it is told", async || {
                let warnings = log(&start).matches("the process goes on by its own").count();
                (warnings > warnings_before).then_some(())
            })
            .await;
            are_received(&city, &ids).await;
        }
        clock.set_ahead(0);
        until_ready(&server, true).await;
    }
    assert!(log(&start).contains("WARN"), "it is told");
    are_received(&city, &ids).await;
    let now = server.admin("GET", "clock", None).await.1["now"].as_i64().unwrap();
    assert!((before..before + 600).contains(&now), "{before} {now}");
    assert_eq!(start.backing().count(DOCUMENTS), 10);
}

#[tokio::test]
async fn a_process_that_starts_with_a_wrong_clock_does_not_serve_by_it() {
    let (start, clock, server, city) = up().await;
    let ids = city.accepted(&documents(10)).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    server.kill();
    for shift in [60 * DAY, -20 * 365 * DAY] {
        clock.set_ahead(shift);
        let server = start.up();
        until_ready(&server, false).await;
        let (_, said) = readiness(&server).await;
        assert!(said.contains("clock"), "{said}");
        // The clock is corrected, as a time service does some seconds after boot.
        clock.set_ahead(0);
        until_ready(&server, true).await;
        let city = Client { api: server.url("api"), bulk: server.url("bulk"), ..city.clone() };
        are_received(&city, &ids).await;
        let new = city.accepted(&[member_document("new")]).await;
        city.until_notified(&new[0]).await;
        server.kill();
    }
}

#[tokio::test]
async fn a_clock_that_was_set_on_purpose_is_confirmed_by_the_operator() {
    let (start, clock, server, city) = up().await;
    if !start.backing().is_embedded() {
        // There the database's clock decides, which the test cannot set.
        return;
    }
    let now = async || server.admin("GET", "clock", None).await.1["now"].as_i64().unwrap();
    let before = now().await;
    for shift in [DAY, -DAY] {
        clock.set_ahead(shift);
        until_ready(&server, false).await;
        let (status, shown) = server.admin("POST", "clock/confirm", Some(json!({}))).await;
        assert_eq!(status, 200, "{shown}");
        until_ready(&server, true).await;
        let moved = now().await - before;
        assert!((moved - shift).abs() < 600, "it is the machine's clock: {moved}");
        city.accepted(&documents(1)).await;
        let first = now().await;
        eventually("it does not stand still", async || (now().await > first).then_some(())).await;
    }
}

#[tokio::test]
async fn a_worker_that_is_a_month_ahead_discards_nothing() {
    let start = Start::on(crate::harness::Backing::postgres());
    let gateway = start.node("gateway").argument("--role=gateway").up();
    let city = gateway.institution("가상시청").await;
    let ids = city.accepted(&documents(20)).await;
    let (ahead, clock) = MachineClock::of(start.node("worker").argument("--role=delivery"));
    clock.set_ahead(31 * DAY);
    let worker = ahead.up();
    until_ready(&worker, false).await;
    assert!(readiness(&worker).await.1.contains("differs from the database's"));
    let queued = QUEUED;
    assert_eq!(start.backing().count(queued), 20, "nothing is done by a wrong clock");
    clock.set_ahead(0);
    until_ready(&worker, true).await;
    for id in &ids {
        city.until_notified(id).await;
    }
}
