//! A send that is interrupted again and again, in every way: every row is sent once.

use std::collections::BTreeSet;
use std::path::Path;

use rand::RngExt;

use crate::harness::{Client, DOCUMENTS, Server, Start, eventually};
use crate::proxy::{Manner, Proxy};
use crate::workstation::{SETS, Workstation};

const ROWS: usize = 50_000;
const KILLS: usize = 30;

/// The server's own count.
async fn accepted(server: &Server, city: &Client) -> i64 {
    let overview = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    overview["accepted_today"].as_i64().unwrap()
}

fn answered(journal: &Path) -> usize {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("{\"answered\"")).count()
}

fn ids(lines: &[String]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line.split(',').find(|cell| cell.starts_with("BIN-"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_kills_of_either_side_and_lost_replies_send_every_row_once() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let start = Start::sandbox();
    let mut server = start.up();
    let city = server.institution("가상시청").await;
    let proxy = Proxy::to(&server.url("api"), Manner { loses_one_in: 20, plain: false }).await;
    let workstation = Workstation::of(&city, &proxy.url);
    workstation.write("a.csv", Workstation::table(ROWS));
    let journal = workstation.path("a.csv.seoham-journal");

    let mut sending = workstation.start_sending("a.csv", &[]);
    for kill in 0..KILLS {
        let until = answered(&journal) + random.random_range(1..=12);
        eventually(&format!("kill {kill}: some requests are answered"), async || {
            assert!(sending.try_wait().unwrap().is_none(), "it does not give up by itself");
            (answered(&journal) >= until).then_some(())
        })
        .await;
        if random.random_bool(0.5) {
            sending.kill().unwrap();
            sending.wait().unwrap();
            sending = workstation.start_sending("a.csv", &["--resume"]);
        } else {
            server.kill();
            server = start.up();
            proxy.lead_to(&server.url("api"));
        }
    }
    assert!(answered(&journal) < ROWS / 100, "it was interrupted, not finished");
    sending.kill().unwrap();
    sending.wait().unwrap();

    let said = workstation.send("a.csv", &["--resume", "--json"]).await.ended(0).json();
    assert_eq!((&said["event"], &said["accepted"]), (&"finished".into(), &ROWS.into()), "{said}");
    assert_eq!(accepted(&server, &city).await, i64::try_from(ROWS).unwrap(), "the server's own count");
    let lines = workstation.lines("a.result.csv");
    assert_eq!((lines.len(), ids(&lines).len()), (ROWS + 1, ROWS));
    server.terminate();
    assert!(server.wait().0.success());
    let stored = start.backing().count(DOCUMENTS);
    assert_eq!(stored, i64::try_from(ROWS).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_knows_no_keys_is_never_asked_twice() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let plain = Manner { loses_one_in: 0, plain: true };
    let proxy = Proxy::to(&server.url("api"), plain).await;
    let workstation = Workstation::of(&city, &proxy.url);
    workstation.write("whole.csv", Workstation::table(500));
    let said = workstation.send("whole.csv", &[]).await.ended(0);
    assert!(said.err.contains("knows no Idempotency-Key"), "{}", said.err);
    let status =
        workstation.run(workstation.on_platform(&["status", "whole.result.csv", "--json"])).await.ended(0);
    assert_eq!(status.json()["counts"]["RECEIVED"], 500);

    // Every reply after the first two requests is lost.
    workstation.write("a.csv", Workstation::table(2_000).replace("K-", "L-"));
    let journal = workstation.path("a.csv.seoham-journal");
    let mut first = workstation.start_sending("a.csv", &["--at-once", "1"]);
    eventually("two requests are answered", async || (answered(&journal) >= 2).then_some(())).await;
    proxy.behave(Manner { loses_one_in: 1, plain: true });
    let code = tokio::task::spawn_blocking(move || first.wait().unwrap().code()).await.unwrap();
    assert_eq!(code, Some(2), "it could not be finished");
    assert_eq!(accepted(&server, &city).await, 2_500, "each request was sent once");
    let answered_requests = answered(&journal);
    assert!((2..20).contains(&answered_requests));
    let unknown = workstation.lines("a.result.csv").iter().filter(|line| line.contains(",unknown,")).count();
    assert_eq!(unknown, 2_000 - answered_requests * 100);

    // Their outcome is unknown, so they are not sent again unless requested.
    proxy.behave(plain);
    let blind = workstation.send("a.csv", &["--resume"]).await.ended(2);
    assert!(blind.err.contains("--unknown leave") && blind.err.contains("twice"), "{}", blind.err);
    workstation.send("a.csv", &["--resume", "--unknown", "leave"]).await.ended(2);
    assert_eq!(accepted(&server, &city).await, 2_500);
    // Deliberately left unknown, they do not prevent correcting the others.
    let rest = workstation.run(workstation.command_of_rest("a.result.csv")).await;
    assert!(rest.code == 1 && !rest.err.contains("not finished"), "{rest:?}");
    assert_eq!(accepted(&server, &city).await, 2_500);
    let sent = workstation.send("a.csv", &["--resume", "--unknown", "send", "--json"]).await.ended(0).json();
    assert_eq!(sent["accepted"], 2_000);
    assert_eq!(
        accepted(&server, &city).await,
        2_500 + 2_000 - i64::try_from(answered_requests).unwrap() * 100
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_goes_on_only_as_it_was_begun() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let proxy = Proxy::to(&server.url("api"), Manner { loses_one_in: 1, plain: true }).await;
    let workstation = Workstation::of(&city, &proxy.url);
    let table = Workstation::table(300);
    workstation.write("a.csv", &table);
    // The platform is unreachable: nothing is started.
    proxy.lead_to("http://127.0.0.1:1");
    workstation.send("a.csv", &[]).await.ended(2);
    assert!(!workstation.path("a.csv.seoham-journal").exists());

    proxy.lead_to(&server.url("api"));
    proxy.behave(Manner::default());
    let mut sending = workstation.start_sending("a.csv", &["--at-once", "1"]);
    let journal = workstation.path("a.csv.seoham-journal");
    eventually("it has begun", async || journal.exists().then_some(())).await;
    let second = workstation.send("a.csv", &["--resume"]).await;
    sending.kill().unwrap();
    sending.wait().unwrap();
    // Never two at a time: the second is rejected, unless the first has already ended.
    assert!(second.code == 0 || second.err.contains("another process"), "{second:?}");

    if answered(&journal) < 3 {
        workstation.write("a.csv", table.replace("K-7,", "K-X,"));
        let changed = workstation.send("a.csv", &["--resume"]).await.ended(64);
        assert!(changed.err.contains("not what it was"), "{}", changed.err);
        workstation.write("a.csv", &table);
    }
    let mut elsewhere = workstation.command(&["send", "a.csv", "--resume", "--token-file", "token"]);
    elsewhere.args(["--url", &city.api, "--contract", &city.contract]).args(SETS);
    let said = workstation.run(elsewhere).await.ended(64);
    assert!(said.err.contains("another platform"), "{}", said.err);
    let mut other = workstation.on_platform(&["send", "a.csv", "--resume"]);
    other.args(["--set", "제목=다른 제목"]);
    workstation.run(other).await.ended(64);
    // Without any of these, the journal has the information.
    let mut resumed = workstation.command(&["send", "a.csv", "--resume", "--json", "--token-file", "token"]);
    resumed.stdin(std::process::Stdio::null());
    assert_eq!(workstation.run(resumed).await.ended(0).json()["accepted"], 300);
    assert_eq!(accepted(&server, &city).await, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_saved_over_while_it_is_sent_is_sent_no_further() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &city.api);
    let table = Workstation::table(40_000);
    let file = workstation.write("a.csv", &table);
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let journal = workstation.path("a.csv.seoham-journal");
    let mut sending = workstation.start_sending("a.csv", &["--at-once", "1"]);
    eventually("it is under way", async || (answered(&journal) >= 2).then_some(())).await;
    std::fs::write(&file, table.replace("K-", "M-")).unwrap();
    let code = tokio::task::spawn_blocking(move || sending.wait().unwrap().code()).await.unwrap();
    assert_eq!(code, Some(2));
    assert!(answered(&journal) < 400, "it did not go on");
    let changed = workstation.send("a.csv", &["--resume"]).await.ended(64);
    assert!(changed.err.contains("not what it was"), "{}", changed.err);
    let begun = workstation.send("a.csv", &[]).await.ended(64);
    assert!(
        begun.err.contains("--resume") && !begun.err.contains("--again"),
        "it is not over: {}",
        begun.err
    );

    workstation.write("a.csv", &table);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
    workstation.send("a.csv", &["--resume"]).await.ended(0);
    assert_eq!(accepted(&server, &city).await, 40_000);
    let ids_sent = workstation.lines("a.result.csv");
    assert_eq!(ids(&ids_sent).len(), 40_000);
}
