//! `seoham send`, `check`, `init` and `status`, as a clerk sees them.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::events::Reader;
use crate::harness::{Answer, Client, Server, Start, documents, eventually, private_file};
use crate::workstation::{SETS, Workstation};

async fn scene() -> (Server, Client, Workstation) {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &city.api);
    (server, city, workstation)
}

fn cp949(text: &str) -> Vec<u8> {
    encoding_rs::EUC_KR.encode(text).0.into_owned()
}

#[tokio::test]
async fn a_table_goes_out_and_its_result_lies_beside_it() {
    let (_server, city, workstation) = scene().await;
    let mut table = Workstation::table(250);
    table += "R-1,010-0000-0002,서함시험,19900101,재산세\r\n";
    table += "R-2,01099990000,서함시험,19900101,재산세\r\n";
    table += "K-1,01000000001,서함시험,19900101,재산세\r\n";
    table += "R-3,1.0E+09,서함시험,900101,재산세\r\n";
    workstation.write("고지서.csv", cp949(&table));

    let checked = workstation.run({
        let mut command = workstation.command(&["send", "고지서.csv", "--check"]);
        command.args(SETS);
        command
    });
    let checked = checked.await.ended(1);
    assert!(checked.err.contains("CP949"), "what was detected is said: {}", checked.err);
    for expected in [
        "2 rows: its external_document_uuid stands in the file more than once (rows 3, 254)",
        "전화번호 · 1 row: became an exponent",
        "생년월일 · 1 row: has six digits",
        "(row 255)",
        "of 254 rows 251",
    ] {
        assert!(checked.out.contains(expected), "{expected} in {}", checked.out);
    }
    assert!(!workstation.path("고지서.csv.seoham-journal").exists(), "nothing was sent");

    let sent = workstation.send("고지서.csv", &["--json"]).await.ended(1).json();
    let counts: Vec<&Value> = ["accepted", "refused", "bad", "unknown", "unsent"].map(|n| &sent[n]).to_vec();
    assert_eq!(counts, [249, 2, 3, 0, 0], "{sent}");
    let lines = workstation.lines("고지서.result.csv");
    assert_eq!(lines.len(), 255);
    assert_eq!(
        lines[0],
        "관리번호,전화번호,이름,생년월일,세목,result,document_binder_uuid,error_code,error_message"
    );
    let cells = |line: usize| lines[line].split(',').map(str::to_owned).collect::<Vec<_>>();
    let id = cells(1)[6].clone();
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED");
    assert_eq!(cells(251)[5..8], ["refused", "", "FORBIDDEN"].map(str::to_owned));
    assert_eq!(cells(252)[7], "NOT_FOUND");
    assert_eq!(cells(2)[7], "INVALID_ROW", "its id stands twice");
    assert_eq!(cells(254)[7], "INVALID_ROW");
    let ids: BTreeSet<&str> =
        lines.iter().filter_map(|l| l.split(',').find(|c| c.starts_with("BIN-"))).collect();
    assert_eq!(ids.len(), 249);

    // Sending again by mistake is rejected; on purpose it works.
    let again = workstation.send("고지서.csv", &[]).await.ended(64);
    assert!(again.err.contains("--again"), "{}", again.err);
    let again = workstation.send("고지서.csv", &["--again", "--json"]).await.ended(1).json();
    assert_eq!(again["accepted"], 249);
    let kept = std::fs::read_dir(workstation.path(".")).unwrap().flatten();
    let kept = kept.filter(|e| e.file_name().to_string_lossy().starts_with("고지서.result.csv.")).count();
    assert_eq!(kept, 1, "the former ids are kept");
    workstation.write("고지서.csv", Workstation::table(2));
    let other = workstation.send("고지서.csv", &[]).await.ended(64);
    assert!(other.err.contains("another file"), "{}", other.err);
    // The result of a send is rejected as a list.
    let result = workstation.send("고지서.result.csv", &[]).await.ended(64);
    assert!(result.err.contains("document_binder_uuid"), "{}", result.err);
}

#[tokio::test]
async fn a_check_asks_the_platform_whom_it_knows() {
    let (server, city, workstation) = scene().await;
    let mut table = Workstation::table(250);
    table += "R-1,01000000002,서함시험,19900101,재산세\r\nR-2,01099990000,서함시험,19900101,재산세\r\n";
    table += "R-3,01099990001,서함시험,19900101,재산세\r\n합계,,,,\r\n";
    workstation.write("고지서.csv", &table);
    let check = |more: &[&str]| {
        let mut command = workstation.on_platform(&["send", "고지서.csv", "--check"]);
        command.args(SETS).args(more);
        workstation.run(command)
    };
    let asked = check(&[]).await.ended(1);
    for expected in
        ["2 rows: NOT_FOUND", "(rows 253–254)", "1 row: FORBIDDEN", "accept 250 rows and refuse 3"]
    {
        assert!(asked.out.contains(expected), "{expected} in {}", asked.out);
    }
    assert!(asked.err.contains("1 rows of totals"), "{}", asked.err);
    let machine = check(&["--json"]).await.ended(1).json();
    assert_eq!((&machine["would_be_accepted"], &machine["would_be_refused"]), (&json!(250), &json!(3)));
    let offline = check(&["--offline"]).await.ended(0);
    assert!(!offline.out.contains("the platform"), "{}", offline.out);
    let (_, overview) = server.admin("GET", &format!("institutions/{}", city.id), None).await;
    assert_eq!(overview["accepted_today"], 0, "nothing was sent");
}

#[tokio::test]
async fn nothing_is_sent_unseen() {
    let (server, city, workstation) = scene().await;
    workstation.write("고지서.csv", Workstation::table(5));
    let accepted = async || {
        server.admin("GET", &format!("institutions/{}", city.id), None).await.1["accepted_today"].clone()
    };
    let mut unseen = workstation.on_platform(&["send", "고지서.csv"]);
    unseen.args(SETS);
    let unseen = workstation.run(unseen).await.ended(64);
    for expected in ["가상시청", "sandbox", "5 documents", "자동차세 고지서", "열람기한", "세무과", "--yes"]
    {
        assert!(unseen.err.contains(expected), "{expected} in {}", unseen.err);
    }
    assert!(!workstation.path("고지서.csv.seoham-journal").exists());
    assert_eq!(accepted().await, 0);

    let first = workstation.send("고지서.csv", &["--first", "3"]).await.ended(0);
    assert!(first.err.contains("2 others are not sent now") && first.err.contains("--rest"), "{}", first.err);
    assert_eq!(accepted().await, 3);
    let rest = workstation.run(workstation.command_of_rest("고지서.result.csv")).await.ended(0).json();
    assert_eq!(rest["accepted"], 2);
    assert_eq!(accepted().await, 5);
}

#[tokio::test]
async fn a_workbook_lines_of_json_and_standard_input_go_the_same_way() {
    let (_server, city, workstation) = scene().await;
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in Workstation::table(120).lines().enumerate() {
        for (column, text) in line.split(',').enumerate() {
            let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
            match text.parse::<f64>() {
                Ok(number) => sheet.write_number(row, column, number).unwrap(),
                Err(_) => sheet.write_string(row, column, text).unwrap(),
            };
        }
    }
    book.save(workstation.path("a.xlsx")).unwrap();
    assert_eq!(workstation.send("a.xlsx", &["--json"]).await.ended(0).json()["accepted"], 120);
    // Its statuses are written into the same workbook.
    let mut status = workstation.on_platform(&["status", "a.result.xlsx", "--json", "--csv", "times.csv"]);
    status.stdin(Stdio::null());
    let asked = workstation.run(status).await.ended(0).json();
    assert_eq!(asked["counts"]["RECEIVED"], 120, "{asked}");
    let times = std::fs::read(workstation.path("times.csv")).unwrap();
    assert!(times.starts_with(b"\xef\xbb\xbfdocument_binder_uuid,doc_box_status,doc_box_sent_at"));
    assert_eq!(times.split(|b| *b == b'\n').count(), 122);

    let document = crate::harness::member_document("J-1");
    let lines = format!("{document}\n{}\nnot json\n", crate::harness::document("01000000002", "J-2"));
    workstation.write("a.jsonl", &lines);
    let run = workstation
        .run(workstation.on_platform(&["send", "a.jsonl", "--json", "--yes"]))
        .await
        .ended(1)
        .json();
    assert_eq!([&run["accepted"], &run["refused"], &run["bad"]], [1, 1, 1], "{run}");
    let result: Vec<Value> =
        workstation.lines("a.result.jsonl").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        city.status(result[0]["document_binder_uuid"].as_str().unwrap()).await["doc_box_sent_at"].is_i64()
    );
    assert_eq!(result[1]["error_code"], "FORBIDDEN");
    assert_eq!(result[2]["line"], 3);

    // The same rows again, this time on purpose.
    let mut command =
        workstation.on_platform(&["send", "-", "--json", "--yes", "--again", "--result", "out.csv"]);
    let mut child = command.args(SETS).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(Workstation::table(5).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(workstation.lines("out.csv").len(), 6);
    assert!(
        !workstation.path("out.csv.input").exists(),
        "what came in is not kept for longer than it is needed"
    );
    let mut command = workstation.on_platform(&["send", "-", "--result", "out.csv"]);
    let mut child = command.args(SETS).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(Workstation::table(5).as_bytes()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(64), "sent already");
    assert!(!workstation.path("out.csv.input").exists(), "nor where nothing was sent");
}

#[tokio::test]
async fn what_cannot_be_sent_ends_in_a_clear_message() {
    let (_server, city, workstation) = scene().await;
    let table = Workstation::table(1);
    for (name, bytes, expected) in [
        ("empty.csv", Vec::new(), "empty"),
        ("only-header.csv", table.lines().next().unwrap().as_bytes().to_vec(), "no row"),
        ("old.xls", [&[0xd0, 0xcf, 0x11, 0xe0][..], &[7; 900]].concat(), ".xls"),
        ("report.xls", b"<html><body><table>".to_vec(), "HTML"),
        ("broken.xlsx", b"PK\x03\x04 and then nothing".to_vec(), "Excel"),
        ("mixed.csv", [table.as_bytes(), &[0xff, 0xfe, b'\n']].concat(), "line 3"),
        ("no-columns.csv", b"a,b\n1,2\n".to_vec(), "no column"),
    ] {
        workstation.write(name, bytes);
        let said = workstation.send(name, &[]).await.ended(64);
        assert!(said.err.contains(expected), "{name}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{name}: {}", said.err);
        assert!(!workstation.path(&format!("{name}.seoham-journal")).exists(), "{name}");
    }
    workstation.send("nowhere.csv", &[]).await.ended(64);
    workstation.write("a.csv", &table);
    workstation.send("a.csv", &["--resume"]).await.ended(64);
    workstation.send("a.csv", &["--set", "모르는것=1"]).await.ended(64);
    workstation.send("a.csv", &["--unknown-flag"]).await.ended(64);
    // Wrong credentials are detected before anything starts.
    private_file(&workstation.path("wrong"), &"0".repeat(32));
    let mut command = workstation.command(&[
        "send",
        "a.csv",
        "--token-file",
        "wrong",
        "--url",
        &city.api,
        "--contract",
        &city.contract,
    ]);
    command.args(SETS);
    let said = workstation.run(command).await.ended(2);
    assert!(said.err.contains("401"), "{}", said.err);
    assert!(!workstation.path("a.csv.seoham-journal").exists());
    // The same file can still be sent afterwards.
    workstation.send("a.csv", &[]).await.ended(0);
}

#[tokio::test]
async fn a_profile_is_tried_kept_and_used() {
    let (server, city, workstation) = scene().await;
    let mut init = workstation.command(&[
        "init",
        "--url",
        &city.api,
        "--bulk-url",
        &city.bulk,
        "--contract",
        &city.contract,
    ]);
    init.args(["--token-file", "token"]);
    workstation.run(init).await.ended(0);
    let file = workstation.path(".config/seoham/profiles.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    workstation.write("a.csv", Workstation::table(3));
    let mut send = workstation.command(&["send", "a.csv", "--yes"]);
    send.args(SETS).env("LANG", "ko_KR.UTF-8");
    let said = workstation.run(send).await.ended(0);
    assert!(said.out.contains("3행: 접수 3"), "in the language of the locale: {}", said.out);
    let ids: Vec<String> = workstation
        .lines("a.result.csv")
        .iter()
        .filter_map(|line| line.split(',').find(|cell| cell.starts_with("BIN-")).map(str::to_owned))
        .collect();
    let status = workstation.run(workstation.command(&["status", &ids[0], &ids[1]])).await.ended(0);
    assert!(status.out.contains(&ids[1]) && status.out.contains("RECEIVED"), "{}", status.out);

    // A profile that does not work is not stored, and neither is one readable by others.
    let mut wrong =
        workstation.command(&["init", "--profile", "wrong", "--url", &city.api, "--token-file", "token"]);
    wrong.args(["--contract", "CON-00000000000000000000000000000000"]);
    workstation.run(wrong).await.ended(2);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("wrong"));
    let asked = workstation.run(workstation.command(&["init", "--url", &city.api])).await.ended(64);
    assert!(asked.err.contains("--token-file"), "{}", asked.err);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = workstation.run(workstation.command(&["status", &ids[0]])).await.ended(64);
    assert!(open.err.contains("chmod 600"), "{}", open.err);
    // No dry run was counted.
    let overview = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    assert_eq!(overview["accepted_today"], 3);
}

#[tokio::test]
async fn statuses_are_watched_until_all_have_settled() {
    let (_server, city, workstation) = scene().await;
    workstation.write("a.csv", Workstation::table(3));
    workstation.send("a.csv", &[]).await.ended(0);
    let ids: Vec<String> = workstation
        .lines("a.result.csv")
        .iter()
        .filter_map(|line| line.split(',').find(|cell| cell.starts_with("BIN-")).map(str::to_owned))
        .collect();
    let token = city.open_token(&ids[0]).await;
    assert_eq!(city.verify(&ids[0], &token).await.status, 200);
    assert_eq!(city.mark_read(&ids[0]).await.status, 204);
    let received =
        workstation.on_platform(&["status", "a.result.csv", "--watch", "--until", "received", "--json"]);
    let said = workstation.run(received).await.ended(0);
    assert_eq!(said.json()["counts"], json!({ "READ": 1, "RECEIVED": 2 }), "{}", said.out);

    let watching = workstation.on_platform(&["status", "a.result.csv", "--watch", "--json"]);
    let watching = tokio::spawn({
        let workstation = Workstation::of(&city, &city.api);
        async move { workstation.run(watching).await }
    });
    let clock = city.post("/sandbox/v1/clock", &json!({ "advance_seconds": 31 * 86_400 }));
    assert_eq!(Answer::of(clock).await.status, 200);
    let said = watching.await.unwrap().ended(0);
    assert_eq!(said.json()["counts"], json!({ "READ": 1, "EXPIRED": 2 }), "{}", said.out);
    let lines = workstation.lines("a.result.csv");
    assert!(lines[0].ends_with("doc_box_status,doc_box_sent_at,doc_box_received_at,user_notified_at,authenticated_at,token_used_at,doc_box_read_at"));
    assert!(lines[1].contains(",READ,20") && lines[2].contains(",EXPIRED,20"), "{lines:?}");

    // Rows sorted since then keep their own times, and an unreachable platform erases none.
    let mut sorted = lines.clone();
    sorted[1..].reverse();
    workstation.write("a.result.csv", sorted.join("\r\n"));
    let mut away = workstation.command(&[
        "status",
        "a.result.csv",
        "--token-file",
        "token",
        "--url",
        "http://127.0.0.1:1",
    ]);
    away.args(["--contract", &city.contract]);
    workstation.run(away).await.ended(2);
    assert_eq!(workstation.lines("a.result.csv"), sorted);
    workstation.run(workstation.on_platform(&["status", "a.result.csv"])).await.ended(0);
    assert_eq!(workstation.lines("a.result.csv"), sorted);

    let unknown = format!("BIN-{}", "0".repeat(32));
    let said = workstation.run(workstation.on_platform(&["status", &unknown, "--json"])).await.ended(0);
    assert_eq!(said.json()["counts"], json!({ "NOT_FOUND": 1 }));
    workstation.run(workstation.on_platform(&["status", "a.csv"])).await.ended(64);
}

/// Who watches asks for everything once, and then for what the feed says has changed.
#[tokio::test]
async fn watching_goes_by_the_feed() {
    let (server, city, workstation) = scene().await;
    let mut ids = Vec::new();
    for count in [100, 100, 1] {
        ids.extend(city.accepted(&documents(count)).await);
    }
    let mut feed = Reader::new();
    eventually("nothing more happens by itself", async || {
        feed.read(&city).await;
        (feed.events.len() == 3 * ids.len()).then_some(())
    })
    .await;
    let calls = async |route: &str| -> u64 {
        let metrics = server.metrics().await;
        let of =
            |line: &&str| line.starts_with("seoham_requests_total") && line.contains(&format!("\"{route}\""));
        metrics.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let mut watching = workstation.on_platform(&["status", "--watch", "--json"]);
    watching.args(["--bulk-url", &city.bulk]).args(&ids);
    let watching = tokio::spawn({
        let workstation = Workstation::of(&city, &city.api);
        async move { workstation.run(watching).await }
    });
    eventually("everything was asked for", async || {
        assert!(!watching.is_finished(), "it watches");
        (calls("/v1/documents/bulk/status").await == 3).then_some(())
    })
    .await;
    eventually("it waits for events", async || (calls("/v1/events").await >= 1).then_some(())).await;
    let token = city.open_token(&ids[0]).await;
    assert_eq!(city.verify(&ids[0], &token).await.status, 200);
    assert_eq!(city.mark_read(&ids[0]).await.status, 204);
    eventually("what changed is asked for", async || {
        (calls("/v1/documents/bulk/status").await == 4).then_some(())
    })
    .await;
    for id in &ids[1..] {
        let withdrawn = city.post(&format!("/v1/documents/{id}/withdraw"), &json!(null));
        assert_eq!(Answer::of(withdrawn).await.status, 204);
    }
    let said = watching.await.unwrap().ended(0);
    assert_eq!(said.json()["counts"], json!({ "READ": 1, "EXPIRED": 200 }), "{}", said.out);
}

#[tokio::test]
async fn every_exchange_can_be_kept() {
    let (_server, _city, workstation) = scene().await;
    workstation.write("a.csv", Workstation::table(150));
    workstation.send("a.csv", &["--log", "log"]).await.ended(0);
    let verified = workstation.run(workstation.command(&["log", "verify", "--log", "log"])).await.ended(0);
    // The query about what the platform knows, and two requests.
    assert!(verified.out.starts_with("3 records"), "{}", verified.out);
    let day = std::fs::read_dir(workstation.path("log"))
        .unwrap()
        .flatten()
        .find(|e| e.path().extension().is_some_and(|x| x == "jsonl"));
    let text = std::fs::read_to_string(day.unwrap().path()).unwrap();
    assert!(
        text.contains("/v1/documents/bulk") && !text.contains("01000000001") && !text.contains("서함시험")
    );
}

#[tokio::test]
async fn help_completions_and_manual_are_made_of_the_same_definitions() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &city.api);
    let help = workstation.run(workstation.command(&["send", "--help"])).await.ended(0);
    assert!(help.out.contains("Examples:") && help.out.contains("--resume"), "{}", help.out);
    let mut korean = workstation.command(&["send", "--help"]);
    korean.env("LANG", "ko_KR.UTF-8");
    let help = workstation.run(korean).await.ended(0);
    assert!(help.out.contains("이어서 합니다") && help.out.contains("종료 코드"), "{}", help.out);
    for shell in ["bash", "zsh", "fish"] {
        let completions = workstation.run(workstation.command(&["completions", shell])).await.ended(0);
        assert!(completions.out.contains("resume"), "{shell}");
    }
    workstation.run(workstation.command(&["man", "pages"])).await.ended(0);
    let page = std::fs::read_to_string(workstation.path("pages/seoham-send.1")).unwrap();
    assert!(page.contains("seoham") && page.contains("resume"), "{page}");
}

#[tokio::test]
async fn half_a_million_rows_take_less_than_100_mib() {
    let (_server, _city, workstation) = scene().await;
    workstation.write("a.csv", cp949(&Workstation::table(500_000)));
    let mut check = workstation.command(&["send", "a.csv", "--check"]);
    let mut child = check.args(SETS).spawn().unwrap();
    let mut peak_kib = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        let now = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        peak_kib = peak_kib.max(now);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(status.success());
    assert!((1_000..100 * 1_024).contains(&peak_kib), "{peak_kib} KiB");
}
