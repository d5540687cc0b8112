//! Some rows are wrong. The clerk corrects them and sends again: everybody is notified once.

use crate::harness::{Client, Server, Start, eventually};
use crate::workstation::Workstation;

async fn scene() -> (Server, Client, Workstation) {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &city.api);
    (server, city, workstation)
}

async fn accepted(server: &Server, city: &Client) -> u64 {
    let (_, overview) = server.admin("GET", &format!("institutions/{}", city.id), None).await;
    overview["accepted_today"].as_u64().unwrap()
}

/// A result whose rejected rows are corrected, and with a change in all other rows.
fn corrected(result: &str) -> String {
    let lines = result.lines().enumerate().map(|(n, line)| match line {
        _ if n == 0 => line.to_owned(),
        line if line.contains("BIN-") => line.replace("1990-01-01", "1970-12-31"),
        line => line.replace("90-01-01x", "1990-01-01"),
    });
    lines.collect::<Vec<_>>().join("\r\n") + "\r\n"
}

#[tokio::test]
async fn five_thousand_rows_killed_resumed_corrected_and_sent_again_tell_everybody_once() {
    let (server, city, workstation) = scene().await;
    let mut lines: Vec<String> = Workstation::table(5_000).lines().map(str::to_owned).collect();
    for line in lines.iter_mut().skip(1).step_by(16).take(300) {
        *line = line.replace("1990-01-01", "90-01-01x");
    }
    let table = lines.join("\r\n") + "\r\n";
    workstation.write("고지서.csv", &table);

    let mut child = workstation.start_sending("고지서.csv", &["--at-once", "1"]);
    eventually("some are accepted", async || (accepted(&server, &city).await > 0).then_some(())).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let early = workstation.command_of_rest("고지서.result.csv");
    assert!(!workstation.path("고지서.result.csv").exists(), "it was killed before its result");
    workstation.run(early).await.ended(64);
    // Meanwhile, the list is rejected under another name too.
    workstation.write("급한것.csv", table.replace("90-01-01x", "1990-01-01"));
    let under_way = workstation.send("급한것.csv", &[]).await.ended(64);
    assert!(under_way.err.contains("4700 rows") && under_way.err.contains("under way"), "{}", under_way.err);
    let resumed = workstation.send("고지서.csv", &["--resume", "--json"]).await.ended(1).json();
    assert_eq!((&resumed["accepted"], &resumed["bad"]), (&4_700.into(), &300.into()), "{resumed}");
    assert_eq!(accepted(&server, &city).await, 4_700);

    // The corrected list under another name would notify 4,700 people twice.
    workstation.write("고친것.csv", table.replace("90-01-01x", "1990-01-01").replace("191990", "1990"));
    let refused = workstation.send("고친것.csv", &[]).await.ended(64);
    for expected in ["4700 rows", "row 3", "--rest", "--again", "'12-{{COLUMN}}'"] {
        assert!(refused.err.contains(expected), "{expected}: {}", refused.err);
    }
    assert!(!refused.err.contains("   "), "in one line: {}", refused.err);

    let result = std::fs::read_to_string(workstation.path("고지서.result.csv")).unwrap();
    workstation.write("고지서.result.csv", corrected(&result));
    let rest = workstation.run(workstation.command_of_rest("고지서.result.csv")).await.ended(0).json();
    assert_eq!((&rest["rows"], &rest["accepted"]), (&300.into(), &300.into()), "{rest}");
    assert_eq!(accepted(&server, &city).await, 5_000);
    let whole = std::fs::read_to_string(workstation.path("고지서.result.2.csv")).unwrap();
    assert_eq!(whole.matches("BIN-").count(), 5_000, "the result of the rest has every row");

    let nothing = workstation.run(workstation.command_of_rest("고지서.result.2.csv")).await.ended(64);
    assert!(nothing.err.contains("nothing to send"), "{}", nothing.err);
    let again = workstation.run(workstation.command_of_rest("고지서.result.csv")).await.ended(64);
    assert!(again.err.contains("already"), "{}", again.err);
    eventually("everybody is told", async || {
        let metrics = server.metrics().await;
        let taken =
            metrics.lines().find(|l| l.starts_with("seoham_notifications_total") && l.contains("taken"))?;
        let taken: f64 = taken.rsplit(' ').next()?.parse().ok()?;
        assert!(taken <= 5_000.0, "{taken}: somebody is told twice");
        (taken >= 5_000.0).then_some(())
    })
    .await;
    assert_eq!(accepted(&server, &city).await, 5_000, "by the server's own count");
}

#[tokio::test]
async fn rows_of_a_table_without_ids_are_known_by_whom_and_what() {
    let (server, city, workstation) = scene().await;
    let row = |phone: &str, tax: &str| format!("{phone},서함시험,19900101,{tax}\r\n");
    let header = "전화번호,이름,생년월일,세목\r\n";
    workstation
        .write("1월.csv", [header, &row("01000000001", "자동차세"), &row("01000000003", "재산세")].concat());
    workstation.send("1월.csv", &[]).await.ended(0);
    // The next list has a new row before one of them.
    let next = [header, &row("01000000005", "재산세"), &row("01000000003", "재산세")].concat();
    workstation.write("2월.csv", &next);
    let refused = workstation.send("2월.csv", &[]).await.ended(64);
    assert!(refused.err.contains("1 rows") && refused.err.contains("row 3"), "{}", refused.err);
    workstation.send("2월.csv", &["--again"]).await.ended(0);
    assert_eq!(accepted(&server, &city).await, 4);
    workstation.write("3월.csv", [header, &row("01000000001", "주민세")].concat());
    workstation.send("3월.csv", &[]).await.ended(0);
}

#[tokio::test]
async fn a_workbook_and_lines_of_json_have_a_rest_too() {
    let (server, city, workstation) = scene().await;
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let table = Workstation::table(3).replace("K-1,1000000001", "K-1,5");
    for (row, line) in (0..).zip(table.lines()) {
        for (column, text) in (0..).zip(line.split(',')) {
            sheet.write_string(row, column, text).unwrap();
        }
    }
    book.save(workstation.path("명단.xlsx")).unwrap();
    workstation.send("명단.xlsx", &[]).await.ended(1);
    // Without a correction it is rejected again, and nobody else is notified.
    let rest = workstation.run(workstation.command_of_rest("명단.result.xlsx")).await.ended(1).json();
    assert_eq!((&rest["accepted"], &rest["bad"]), (&0.into(), &1.into()), "{rest}");
    assert_eq!(accepted(&server, &city).await, 2);

    let document = |id: &str, phone: &str| {
        let mut document = crate::harness::document(phone, id);
        document["property"]["external_document_uuid"] = id.into();
        document.to_string() + "\n"
    };
    workstation.write("문서.jsonl", document("J-1", "01000000001") + &document("J-2", "010"));
    let mut command = workstation.on_platform(&["send", "문서.jsonl", "--json", "--yes"]);
    workstation.run(std::mem::replace(&mut command, workstation.command(&[]))).await.ended(1);
    let result = std::fs::read_to_string(workstation.path("문서.result.jsonl")).unwrap();
    workstation.write("문서.result.jsonl", result.replace("\"010\"", "\"01000000003\""));
    let rest = workstation
        .run(workstation.on_platform(&["send", "--rest", "문서.result.jsonl", "--json", "--yes"]))
        .await;
    assert_eq!(rest.ended(0).json()["accepted"], 1);
    assert_eq!(accepted(&server, &city).await, 4);
}

#[tokio::test]
async fn rows_that_are_alike_and_what_is_said_anew_do_not_hold_up_the_rest() {
    let (server, city, workstation) = scene().await;
    let row = "01000000001,서함시험,19900101,자동차세\r\n";
    workstation.write("a.csv", ["전화번호,이름,생년월일,세목\r\n", row, row, row].concat());
    let first = workstation.send("a.csv", &["--first", "1"]).await.ended(0);
    assert!(first.err.contains("2 rows say the same"), "{}", first.err);
    // A new value replaces the previous one of the same member; the others stay.
    let mut rest = workstation.command_of_rest("a.result.csv");
    rest.args(["--set", "문의처=징수과"]);
    assert_eq!(workstation.run(rest).await.ended(0).json()["accepted"], 2);
    assert_eq!(accepted(&server, &city).await, 3);
    // Sending the complete list again is different.
    workstation.write("b.csv", std::fs::read(workstation.path("a.csv")).unwrap());
    workstation.send("b.csv", &[]).await.ended(64);
}

#[tokio::test]
async fn a_row_whose_values_may_have_moved_is_not_sent_until_somebody_says_that_it_is_right() {
    let (server, city, workstation) = scene().await;
    let mut lines: Vec<String> = Workstation::table(3).lines().map(str::to_owned).collect();
    lines[2] = lines[2].replace("자동차세", "1,000원");
    lines.insert(2, "  ,".to_owned());
    workstation.write("a.csv", lines.join("\r\n"));
    workstation.send("a.csv", &[]).await.ended(1);
    // Adding statuses to the rows changes nothing.
    workstation.run(workstation.on_platform(&["status", "a.result.csv"])).await.ended(0);
    let result = std::fs::read_to_string(workstation.path("a.result.csv")).unwrap();
    let ids: Vec<&str> = result.lines().filter(|l| l.contains("BIN-")).map(|l| &l[..3]).collect();
    assert_eq!(ids, ["K-0", "K-2"], "{result}");
    let kept_back = workstation.run(workstation.command_of_rest("a.result.csv")).await.ended(1).json();
    assert_eq!((&kept_back["accepted"], &kept_back["bad"]), (&0.into(), &1.into()));
    let corrected = result.replace("UNCERTAIN_ROW", "").replace(",000원", "");
    workstation.write("a.result.csv", corrected);
    let rest = workstation.run(workstation.command_of_rest("a.result.csv")).await.ended(0).json();
    assert_eq!(rest["accepted"], 1, "corrected once more, it is sent");
    assert_eq!(accepted(&server, &city).await, 3);
}

#[tokio::test]
async fn a_send_that_goes_on_does_not_repeat_what_another_sent_meanwhile() {
    let (server, city, workstation) = scene().await;
    workstation.write("a.csv", Workstation::table(3_000));
    let mut child = workstation.start_sending("a.csv", &["--at-once", "1"]);
    eventually("some are accepted", async || (accepted(&server, &city).await > 0).then_some(())).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let before = accepted(&server, &city).await;
    assert!(before < 3_000, "it was killed in time");
    // The last row was urgent and was sent separately on purpose.
    let urgent =
        [Workstation::table(0), Workstation::table(3_000).lines().last().unwrap().to_owned()].concat();
    workstation.write("급한것.csv", urgent);
    workstation.send("급한것.csv", &["--again"]).await.ended(0);
    let refused = workstation.send("a.csv", &["--resume"]).await.ended(64);
    assert!(refused.err.contains("1 rows") && refused.err.contains("row 3001"), "{}", refused.err);
    let resumed = workstation.send("a.csv", &["--resume", "--again", "--json"]).await.ended(0).json();
    assert_eq!(resumed["accepted"], 3_000);
    assert_eq!(accepted(&server, &city).await, 3_001);
}

#[tokio::test]
async fn what_is_held_back_stays_so_in_every_rest() {
    let (server, city, workstation) = scene().await;
    let mut lines: Vec<String> = Workstation::table(4).lines().map(str::to_owned).collect();
    for line in &mut lines[1..3] {
        *line = line.replace("1990-01-01", "90-01-01x");
    }
    lines[4] = lines[4].replace("자동차세", "1,000원");
    workstation.write("a.csv", lines.join("\r\n"));
    workstation.send("a.csv", &[]).await.ended(1);
    assert_eq!(accepted(&server, &city).await, 1);
    // The others are corrected, and one of them is sent alone. The row with shifted values stays uncertain.
    let result = std::fs::read_to_string(workstation.path("a.result.csv")).unwrap();
    workstation.write("a.result.csv", result.replace("90-01-01x", "1990-01-01"));
    let mut first = workstation.command_of_rest("a.result.csv");
    first.args(["--first", "1"]);
    assert_eq!(workstation.run(first).await.ended(1).json()["accepted"], 1);
    let second = std::fs::read_to_string(workstation.path("a.result.2.csv")).unwrap();
    assert_eq!(second.matches("UNCERTAIN_ROW").count(), 1, "{second}");
    let rest = workstation.run(workstation.command_of_rest("a.result.2.csv")).await.ended(1).json();
    assert_eq!((&rest["accepted"], &rest["bad"]), (&1.into(), &1.into()), "{rest}");
    assert_eq!(accepted(&server, &city).await, 3);

    // A mistyped id stays visible.
    let third = std::fs::read_to_string(workstation.path("a.result.3.csv")).unwrap();
    workstation.write(
        "b.result.csv",
        third
            .replace("발송 안 함,,UNCERTAIN_ROW", "발송 안 함,BIN-12,")
            .replace("not sent,,UNCERTAIN_ROW", "not sent,BIN-12,"),
    );
    let mut rest = workstation.command_of_rest("b.result.csv");
    rest.args(crate::workstation::SETS);
    workstation.run(rest).await.ended(1);
    assert!(std::fs::read_to_string(workstation.path("b.result.2.csv")).unwrap().contains("BIN-12"));
}
