//! A clerk with a Korean terminal: a monthly list, and a list of those who need paper mail.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use seoham_sheets::{Cell, Content, Sheet, SheetOptions};

use crate::harness::Start;
use crate::workstation::{SETS, Workstation};

fn in_korean(mut command: Command) -> Command {
    command.env("LANG", "ko_KR.UTF-8");
    command
}

/// The cells of a table, starting with the header.
fn cells(file: &Path) -> Vec<Vec<Cell>> {
    let sheet = Sheet::open(file, &SheetOptions::default()).unwrap();
    let mut rows = vec![sheet.header().iter().map(|name| Cell::text(name.as_str())).collect::<Vec<_>>()];
    sheet
        .read(&mut |record| {
            let Content::Cells(cells) = record.content else { panic!("cells") };
            rows.push(cells);
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn shown(row: &[Cell]) -> Vec<String> {
    row.iter().map(Cell::shown).collect()
}

fn workbook(file: &Path, rows: &[&[&str]]) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, line) in (0..).zip(rows) {
        for (column, text) in (0..).zip(*line) {
            sheet.write_string(row, column, *text).unwrap();
        }
    }
    book.save(file).unwrap();
}

#[tokio::test]
async fn the_columns_of_a_list_are_kept_under_its_name() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &city.api);
    let nothing =
        workstation.run(in_korean(workstation.command(&["columns", "save", "자동차세"]))).await.ended(64);
    assert!(nothing.err.contains("저장할 것이 없습니다"), "{}", nothing.err);
    let mut save = in_korean(workstation.command(&["columns", "save", "자동차세", "--map", "이름=낸사람"]));
    save.args(SETS);
    let saved = workstation.run(save).await.ended(0);
    assert!(saved.out.contains("--columns 자동차세"), "{}", saved.out);
    assert_eq!(
        workstation.run(workstation.command(&["columns", "list"])).await.ended(0).out.trim(),
        "자동차세"
    );
    let shown =
        workstation.run(in_korean(workstation.command(&["columns", "show", "자동차세"]))).await.ended(0).out;
    assert!(shown.contains("--map 이름=낸사람") && shown.contains("--set 제목={{세목}} 고지서"), "{shown}");

    workstation.write("12월.csv", Workstation::table(2).replace("이름", "낸사람"));
    let send = |arguments: &[&str]| {
        let mut command = workstation.on_platform(&["send", "12월.csv", "--yes", "--json"]);
        command.args(arguments);
        command
    };
    let unknown = workstation.run(send(&["--columns", "재산세"])).await.ended(64);
    assert!(unknown.err.contains("자동차세"), "{}", unknown.err);
    let sent = workstation.run(send(&["--columns", "자동차세", "--set", "문의처=징수과"])).await.ended(0);
    assert_eq!(sent.json()["accepted"], 2);
    workstation.run(workstation.command(&["columns", "remove", "자동차세"])).await.ended(0);
    workstation.run(workstation.command(&["columns", "show", "자동차세"])).await.ended(64);
}

#[tokio::test]
async fn a_status_is_written_as_a_person_reads_it_and_says_who_needs_paper_mail() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &city.api);
    let header = ["관리번호", "전화번호", "이름", "생년월일", "세목", "우편번호"];
    let person = |id, number| [id, number, "서함시험", "19900101", "자동차세", "04524"];
    workbook(
        &workstation.path("명단.xlsx"),
        &[
            &header,
            &person("K-1", "01000000001"),
            &person("K-2", "01000000003"),
            &person("K-3", "01000000002"),
            &person("K-4", "5"),
            &["합계", "", "", "", "", ""],
        ],
    );
    let mut send = in_korean(workstation.on_platform(&["send", "명단.xlsx", "--yes"]));
    send.args(SETS);
    workstation.run(send).await.ended(1);
    let result = workstation.path("명단.result.xlsx");
    let asked = ["status", "명단.result.xlsx", "--post", "우편.xlsx", "--csv", "시각.csv"];
    let asked = workstation.run(in_korean(workstation.on_platform(&asked))).await.ended(0);
    assert!(asked.out.contains("뜻") && asked.out.contains("가입하지 않아"), "{}", asked.out);
    assert!(asked.err.contains("우편이 필요한 3행"), "{}", asked.err);

    let rows = cells(&result);
    let names = shown(&rows[0]);
    assert_eq!(
        names[6..],
        [
            "발송 결과",
            "문서함 번호",
            "오류 코드",
            "오류 내용",
            "문서 상태",
            "접수 시각",
            "문서함 도착 시각",
            "알림 도착 시각",
            "본인 인증 시각",
            "토큰 확인 시각",
            "열람 시각"
        ]
    );
    assert_eq!((rows[1][10].shown().as_str(), rows[2][10].shown().as_str()), ("미열람", "미가입"));
    assert!(
        rows[1][11].shown().starts_with("20") && !matches!(rows[1][11], Cell::Text(_)),
        "a time is a time: {:?}",
        rows[1][11]
    );

    let post = cells(&workstation.path("우편.xlsx"));
    let needed: Vec<(String, String)> =
        post[1..].iter().map(|row| (row[0].shown(), row.last().unwrap().shown())).collect();
    let expected = [("K-2", "문서함 미가입"), ("K-3", "접수되지 않음"), ("K-4", "접수되지 않음")];
    assert_eq!(needed, expected.map(|(id, why)| (id.to_owned(), why.to_owned())));
    assert_eq!(shown(&post[0]).last().map(String::as_str), Some("우편이 필요한 까닭"));
    assert_eq!(post[1][5].shown(), "04524", "with the clerk's own columns");
    let times = std::fs::read_to_string(workstation.path("시각.csv")).unwrap();
    assert!(times.starts_with("\u{feff}문서함 번호,문서 상태,접수 시각"), "{times}");

    // A list never overwrites an existing file.
    for taken in [["--post", "우편.xlsx"], ["--post", "명단.xlsx"], ["--csv", "명단.result.xlsx"]] {
        let mut again = workstation.on_platform(&["status", "명단.result.xlsx"]);
        again.args(taken);
        workstation.run(again).await.ended(64);
    }
    // Asking again overwrites the same columns.
    workstation.run(workstation.on_platform(&["status", "명단.result.xlsx"])).await.ended(0);
    assert_eq!(cells(&result)[0].len(), rows[0].len());
}
