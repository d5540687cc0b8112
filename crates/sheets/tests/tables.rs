//! Whole files through a sheet and a layout: what is read, repaired, rejected, and written beside it.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests are documented by their names")]

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use seoham_model::{Lang, UnixSeconds};
use seoham_sheets::{
    Cell, Columns, Content, Format, Layout, Member, Record, Sheet, SheetError, SheetOptions, TextEncoding,
    annotate,
};
use tempfile::TempDir;

const NOW: UnixSeconds = UnixSeconds(1_795_359_600);

struct File {
    directory: TempDir,
    path: PathBuf,
}

fn file(name: &str, bytes: &[u8]) -> File {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    File { directory, path }
}

fn cp949(text: &str) -> Vec<u8> {
    encoding_rs::EUC_KR.encode(text).0.into_owned()
}

fn sets() -> Vec<(Member, String)> {
    let set = |member, text: &str| (member, text.to_owned());
    vec![
        set(Member::Title, "{{세목}} 고지서"),
        set(Member::Link, "https://tax.example.kr/notice"),
        set(Member::CsNumber, "02-000-0000"),
        set(Member::CsName, "세무과"),
        set(Member::ReadExpiredDays, "30"),
    ]
}

const HEADER: &str = "관리번호,전화번호,이름,생년월일,세목";

fn row(i: usize) -> String {
    format!("K-{i},01000000001,서함시험,19900101,자동차세")
}

/// A row's number, and either the id that is sent or all its errors.
type Made = (u64, Result<String, String>);

fn read(path: &Path, sets: &[(Member, String)]) -> Result<Vec<Made>, SheetError> {
    let sheet = Sheet::open(path, &SheetOptions::default())?;
    let layout = Layout::new(&sheet, &[], sets)?;
    let mut rows = Vec::new();
    sheet.read(&mut |record| {
        let made =
            layout.document(&record, NOW).map(|good| good.external_document_uuid).map_err(|problems| {
                let message = problems
                    .iter()
                    .map(|p| format!("{}:{}", p.subject(Lang::En).unwrap_or(""), p.text.in_lang(Lang::En)));
                message.collect::<Vec<_>>().join("; ")
            });
        rows.push((record.row, made));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn ids(rows: &[Made]) -> Vec<(u64, &str)> {
    rows.iter().map(|(row, made)| (*row, made.as_deref().expect("good"))).collect()
}

#[test]
fn rows_are_numbered_as_a_spreadsheet_numbers_them() {
    for end in ["\n", "\r\n"] {
        for last in ["", end] {
            let lines = [
                HEADER,
                &row(2),
                "",
                &row(4),
                ",,,,",
                "\"K-6\",01000000001,\"서함\n시험\",19900101,\"자동차\"",
                &row(7),
            ];
            let text = lines.join(end) + last;
            let file = file("a.csv", text.as_bytes());
            let rows = read(&file.path, &sets()).unwrap();
            let numbers: Vec<u64> = rows.iter().map(|(row, _)| *row).collect();
            assert_eq!(numbers, [2, 4, 6, 7], "{end:?} {last:?}");
            assert_eq!(rows[0].1.as_deref(), Ok("K-2"));
            assert!(rows[2].1.as_ref().is_err_and(|e| e.contains("이름:")), "{:?}", rows[2]);
            assert_eq!(rows[3].1.as_deref(), Ok("K-7"));
        }
    }
}

#[test]
fn every_encoding_of_a_korean_office_gives_the_same_rows() {
    let text = format!("{HEADER}\r\n{}\r\n{}\r\n", row(1), row(2));
    let tabs = text.replace(',', "\t");
    let utf16: Vec<u8> = format!("\u{feff}{tabs}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), TextEncoding::Utf8),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), TextEncoding::Utf8Marked),
        (cp949(&text), TextEncoding::Cp949),
        (utf16, TextEncoding::Utf16Le),
    ] {
        let file = file("a.csv", &bytes);
        assert_eq!(ids(&read(&file.path, &sets()).unwrap()), [(2, "K-1"), (3, "K-2")], "{encoding:?}");
        let sheet = Sheet::open(&file.path, &SheetOptions::default()).unwrap();
        assert!(matches!(sheet.format(), Format::Csv { encoding: found, .. } if *found == encoding));
    }
}

#[test]
fn a_title_above_the_header_is_no_row() {
    let text = format!("2026년 자동차세 대상자,,,,\n작성: 세무과,,,,\n\n{HEADER}\n{}\n", row(5));
    let file = file("a.csv", text.as_bytes());
    assert_eq!(ids(&read(&file.path, &sets()).unwrap()), [(5, "K-5")]);
}

#[test]
fn shifted_rows_are_refused_and_the_others_read() {
    let text = format!(
        "{HEADER}\n{}\nK-3,01000000001,서함시험,19900101,자동차세,1,234\nK-4,0100000\n{}\n",
        row(2),
        row(5)
    );
    let file = file("a.csv", text.as_bytes());
    let rows = read(&file.path, &sets()).unwrap();
    let wrong = |row: usize| rows[row].1.clone().unwrap_err();
    assert!(wrong(1).contains("more values"), "{}", wrong(1));
    assert!(wrong(2).contains("fewer values"), "{}", wrong(2));
    assert_eq!((rows[0].1.as_deref(), rows[3].1.as_deref()), (Ok("K-2"), Ok("K-5")));
}

#[test]
fn a_quotation_mark_that_is_not_closed_is_told_by_its_row() {
    let mut text = format!("{HEADER}\n{}\nK-3,\"01000000001,서함시험,19900101,자동차세\n", row(2));
    for i in 0..50_000 {
        text.push_str(&row(i));
        text.push('\n');
    }
    let file = file("a.csv", text.as_bytes());
    let error = read(&file.path, &sets()).unwrap_err().to_string();
    assert!(error.contains("row 3"), "{error}");
}

#[test]
fn quotation_marks_that_take_in_rows_are_found() {
    // Unclosed, near the end of a small file.
    let open = format!("{HEADER}\n{}\nK-3,01000000001,\"서함시험,19900101,자동차세\n{}\n", row(2), row(4));
    let error = read(&file("a.csv", open.as_bytes()).path, &sets()).unwrap_err().to_string();
    assert!(error.contains("quotation mark"), "{error}");
    // Two marks that pair up far apart, in the last column.
    let text = format!("{HEADER},비고\n{},\"확인\n{},\n{},\"\n{},\n", row(2), row(3), row(4), row(5));
    let rows = read(&file("b.csv", text.as_bytes()).path, &sets()).unwrap();
    assert!(rows[0].1.as_ref().is_err_and(|message| message.contains("whole rows")), "{rows:?}");
    assert_eq!(rows.last().unwrap().1.as_deref(), Ok("K-5"));
}

/// Reads a table of a few columns: for each row its id or its errors.
fn read_text(text: &str) -> Result<Vec<Made>, SheetError> {
    read(&file("a.csv", text.as_bytes()).path, &sets_of_a_plain_list())
}

fn sets_of_a_plain_list() -> Vec<(Member, String)> {
    [
        (Member::Title, "안내"),
        (Member::Link, "https://tax.example.kr/notice"),
        (Member::CsNumber, "02-000-0000"),
        (Member::CsName, "세무과"),
        (Member::ReadExpiredDays, "30"),
    ]
    .map(|(member, text)| (member, text.to_owned()))
    .to_vec()
}

#[test]
fn a_stray_quotation_mark_gives_nobody_the_values_of_another() {
    let header = "관리번호,전화번호,이름,생년월일,내용,비고";
    let people: Vec<String> =
        (0..6).map(|n| format!("K-{n},0100000000{n},서함시험,1990010{},안내 {n},강남", n + 1)).collect();
    let mut read_in_part = 0;
    // Two marks in adjacent or separate rows, before, after or instead of a value.
    for (first, second) in [(1, 2), (1, 4), (0, 5)] {
        for (column, place) in (0..6).flat_map(|column| ["before", "after", "instead"].map(|p| (column, p))) {
            let mut rows = people.clone();
            for row in [first, second] {
                let mut values: Vec<String> = rows[row].split(',').map(str::to_owned).collect();
                values[column] = match place {
                    "before" => format!("\"{}", values[column]),
                    "after" => format!("{}\"", values[column]),
                    _ => "\"".to_owned(),
                };
                rows[row] = values.join(",");
            }
            for delimiter in [",", "\t", ";"] {
                let text = format!("{header}\n{}\n", rows.join("\n")).replace(',', delimiter);
                let Ok(read) = read_text(&text) else { continue };
                read_in_part += 1;
                let good: Vec<&String> = read.iter().filter_map(|(_, made)| made.as_ref().ok()).collect();
                for stray in [first, second] {
                    let message = format!("{column} {place} {delimiter:?}: {read:?}");
                    assert!(!good.contains(&&format!("K-{stray}")), "{message}");
                }
                assert!(good.len() >= 6 - (second - first + 1), "{column} {place}: {read:?}");
            }
        }
    }
    assert!(read_in_part > 100, "the others are read");
}

#[test]
fn quoted_lines_that_are_no_rows_are_read() {
    for message in [
        "올해 세금 안내\n재산세 1,200,000원, 교육세 240,000원",
        "올해 세금 안내\n재산세 1,200원, 2,300원",
        "문의\n02-000-0000",
        "납부: 1,2,3\n계좌: 4,5,6\n기한: 7,8,9",
        "\"\"자동차세\"\" 안내\n,,,감사합니다",
    ] {
        let text = format!("전화번호,이름,생년월일,내용\n01000000001,서함시험,19900101,\"{message}\"\n");
        let rows = read_text(&text).unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].1.is_ok(), "{message:?}: {:?}", rows[0].1);
    }
}

#[test]
fn what_only_looks_like_quoting_is_refused_by_its_row() {
    for wrong in [
        "01000000001,서함시험,19900101,\"이번 \\\"정기분\\\" 안내\"",
        "01000000001, \"서함시험\",19900101,안내",
        "01000000001,\"서함시험\" ,19900101,안내",
        "01000000001,서함시험,19900101,배관 5\" 교체",
        "01000000001,'서함시험',19900101,이번 \"정기분\" 안내",
    ] {
        let sound = "01000000003,서함시험,19900103,\"이번 \"\"정기분\"\" 안내\"";
        let text = format!("전화번호,이름,생년월일,내용\n{sound}\n{wrong}\n{sound}\n");
        let rows = read_text(&text).unwrap();
        let bad = rows[1].1.clone().expect_err(wrong);
        assert!(bad.contains("quotation mark"), "{bad}");
        assert!(rows[0].1.is_ok() && rows[2].1.is_ok() && rows.len() == 3, "{wrong}: the others are read");
    }
    let header = "전화번호, \"이름\",생년월일,내용\n01000000001,서함시험,19900101,안내\n";
    assert!(
        read_text(header).unwrap_err().to_string().contains("quotation mark"),
        "a header that is not certain"
    );
    let title = "\"2026년\" 안내,,,\n전화번호,이름,생년월일,내용\n01000000001,서함시험,19900101,안내\n";
    assert!(read_text(title).unwrap()[0].1.is_ok(), "a title is no data");
}

#[test]
fn a_total_names_nobody() {
    let header = "전화번호,이름,생년월일,내용";
    for (row, is_total) in [
        ("합계,,,", true),
        (",합 계,,", true),
        (",,,총계: 3건", true),
        ("소계(12),,,5", true),
        (",서함시험,,합계", false),
        ("01000000001,합계,,", false),
        (",,19900101,계", false),
        (",,,계획 안내", false),
    ] {
        let file = file("a.csv", format!("{header}\n{row}\n").as_bytes());
        let sheet = Sheet::open(&file.path, &SheetOptions::default()).unwrap();
        let layout = Layout::new(&sheet, &[], &sets_of_a_plain_list()).unwrap();
        let mut found = None;
        sheet
            .read(&mut |record| {
                found = Some(layout.is_total(&record));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(found, Some(is_total), "{row}");
    }
}

#[test]
fn the_delimiter_is_that_of_the_line_of_names() {
    for text in [
        "전화번호,이름,생년월일,구분(A|B|C|D|E)\n01000000001,서함시험,19900101,A\n",
        "안내; 자동차세; 2026\n전화번호,이름,생년월일\n01000000001,서함시험,19900101\n",
        "세목: 자동차세, 재산세, 주민세, 기타\n전화번호;이름;생년월일\n01000000001;서함시험;19900101\n",
    ] {
        let rows = read_text(text).unwrap();
        assert!(rows.len() == 1 && rows[0].1.is_ok(), "{text}: {rows:?}");
    }
    let text = "a,b,c|d\n1,2,3|4\n";
    let file = file("a.csv", text.as_bytes());
    let options = SheetOptions { delimiter: Some(b'|'), ..SheetOptions::default() };
    assert_eq!(Sheet::open(&file.path, &options).unwrap().header(), ["a,b,c", "d"]);
}

#[test]
fn of_several_columns_none_is_chosen() {
    let text = format!("{HEADER},금액(전월),금액(당월)\n{},1,2\n", row(2));
    let file = file("a.csv", text.as_bytes());
    let amount = |name: &str| {
        let mut sets = sets();
        sets.push((Member::Payload, format!("{{{{{name}}}}}")));
        read(&file.path, &sets)
    };
    let error = amount("금액").unwrap_err().to_string();
    assert!(error.contains("several columns"), "{error}");
    assert!(amount("금액(당월)").unwrap()[0].1.is_ok(), "its whole name tells");
}

#[test]
fn names_of_people_are_not_told_as_columns() {
    let text = "홍길동,01000000001,19900101\n김하나,01000000002,19800101\n";
    let error = read(&file("a.csv", text.as_bytes()).path, &[]).unwrap_err();
    let message = format!("{}{}", error.text().in_lang(Lang::Ko), error.text().in_lang(Lang::En));
    assert!(!message.contains("홍길동") && !message.contains("0100"), "{message}");
}

#[test]
fn of_several_filled_sheets_none_is_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.xlsx");
    workbook(&path, |book| {
        for name in ["1월", "2월", "숨김"] {
            let sheet = book.add_worksheet().set_name(name).unwrap();
            for (column, text) in HEADER.split(',').enumerate() {
                let column = u16::try_from(column).unwrap();
                sheet.write_string(0, column, text).unwrap();
                sheet.write_string(1, column, row(2).split(',').nth(usize::from(column)).unwrap()).unwrap();
            }
            sheet.set_hidden(name == "숨김");
        }
    });
    let error = read(&path, &sets()).unwrap_err().to_string();
    assert!(error.contains("1월, 2월") && error.contains("--sheet"), "{error}");
    let options = SheetOptions { sheet: Some("2월".to_owned()), ..SheetOptions::default() };
    let sheet = Sheet::open(&path, &options).unwrap();
    assert!(matches!(sheet.format(), Format::Xlsx { sheet, .. } if sheet == "2월"));
}

#[test]
fn what_is_no_table_ends_in_a_message() {
    let directory = tempfile::tempdir().unwrap();
    let zip = directory.path().join("x.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&zip).unwrap());
    archive.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
    archive.finish().unwrap();
    let docx = std::fs::read(&zip).unwrap();
    for (name, bytes, message) in [
        ("empty.csv", b"".to_vec(), "empty"),
        ("blank.csv", b"\n \n\n".to_vec(), "empty"),
        ("old.xls", [&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1][..], &[0; 600]].concat(), ".xls"),
        ("html.xls", "<html><table><tr><td>전화번호".as_bytes().to_vec(), "HTML"),
        ("report.xls", b"<?xml version=\"1.0\"?>".to_vec(), "HTML"),
        ("a.pdf", b"%PDF-1.7".to_vec(), "PDF"),
        ("a.docx", docx.clone(), "no Excel workbook"),
        ("torn.xlsx", docx[..docx.len() / 2].to_vec(), "no Excel workbook"),
        ("noise.csv", (0..=255).cycle().take(5_000).collect(), "not a text file"),
        ("mac.csv", b"a,b\rc,d\r".to_vec(), "Macintosh"),
        ("unknown.csv", b"a,b,c\n1,2,3\n".to_vec(), "columns are missing"),
    ] {
        let file = file(name, &bytes);
        let error = read(&file.path, &[]).unwrap_err();
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(!error.text().in_lang(Lang::Ko).is_ascii(), "{name}");
    }
}

#[test]
fn two_columns_for_one_member_are_not_guessed_at() {
    let text = format!("{HEADER},휴대폰\n{},01000000002\n", row(2));
    let file = file("a.csv", text.as_bytes());
    let error = read(&file.path, &sets()).unwrap_err().to_string();
    assert!(error.contains("--map"), "{error}");
    let sheet = Sheet::open(&file.path, &SheetOptions::default()).unwrap();
    let layout = Layout::new(&sheet, &[(Member::PhoneNumber, "휴대폰".to_owned())], &sets()).unwrap();
    sheet
        .read(&mut |record| {
            let good = layout.document(&record, NOW).map_err(|_| ()).unwrap();
            assert!(good.json.contains("01000000002"), "{}", good.json);
            ControlFlow::Continue(())
        })
        .unwrap();
    for (maps, sets, message) in [
        (vec![(Member::PhoneNumber, "없는 열".to_owned())], vec![], "no column"),
        (vec![], vec![(Member::Title, "{{없는 열}}".to_owned())], "no column"),
        (vec![], vec![(Member::Title, "{{세목".to_owned())], "}}"),
    ] {
        let error = Layout::new(&sheet, &maps, &sets).err().unwrap().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn problems_name_their_column_and_never_the_value() {
    let text = format!("{HEADER}\nK-1,1.01235E+09,서함시험,900101,#N/A\n,비밀번호,,,\n");
    let file = file("a.csv", text.as_bytes());
    let rows = read(&file.path, &sets()).unwrap();
    let first = rows[0].1.clone().unwrap_err();
    for message in ["전화번호:became", "생년월일:has six digits", "세목:the value"] {
        assert!(first.contains(message), "{message} in {first}");
    }
    for member in ["전화번호", "생년월일", "세목"] {
        assert_eq!(first.matches(member).count(), 1, "once: {first}");
    }
    let second = rows[1].1.clone().unwrap_err();
    assert!(second.contains("관리번호:is required"), "{second}");
    assert!(
        !first.contains("1.01235") && !first.contains("900101") && !second.contains("비밀번호"),
        "{first} {second}"
    );
}

fn workbook(path: &Path, fill: impl FnOnce(&mut rust_xlsxwriter::Workbook)) {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    fill(&mut workbook);
    workbook.save(path).unwrap();
}

#[test]
fn a_workbook_is_read_as_people_fill_it_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.xlsx");
    workbook(&path, |book| {
        book.add_worksheet().set_name("표지").unwrap();
        let date = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd");
        let sheet = book.add_worksheet().set_name("대상자").unwrap();
        for (column, name) in HEADER.split(',').enumerate() {
            sheet.write_string(1, u16::try_from(column).unwrap(), name).unwrap();
        }
        sheet.write_string(0, 0, "2026년 대상자").unwrap();
        let day = rust_xlsxwriter::ExcelDateTime::from_ymd(1990, 1, 1).unwrap();
        let line = |sheet: &mut rust_xlsxwriter::Worksheet, row: u32, id: &str| {
            sheet.write_string(row, 0, id).unwrap();
            sheet.write_number(row, 1, 1_000_000_001.0).unwrap();
            sheet.write_string(row, 2, "서함시험").unwrap();
            sheet.write_datetime_with_format(row, 3, &day, &date).unwrap();
            sheet.write_string(row, 4, "자동차세").unwrap();
        };
        line(sheet, 2, "K-3");
        line(sheet, 3, "K-4");
        sheet.write_formula(3, 4, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
        line(sheet, 4, "K-5");
        line(sheet, 5, "K-6");
        sheet.merge_range(4, 4, 5, 4, "자동차세", &rust_xlsxwriter::Format::new()).unwrap();
        // A formatted but empty cell, a million rows further down.
        line(sheet, 6, "K-7");
        sheet.write_blank(1_000_000, 0, &date).unwrap();
    });
    let rows = read(&path, &sets()).unwrap();
    let numbers: Vec<u64> = rows.iter().map(|(row, _)| *row).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7]);
    assert_eq!((rows[0].1.as_deref(), rows[4].1.as_deref()), (Ok("K-3"), Ok("K-7")));
    assert!(rows[1].1.clone().unwrap_err().starts_with("세목:"), "{:?}", rows[1]);
    for merged in [2, 3] {
        let message = rows[merged].1.clone().unwrap_err();
        assert!(message.contains("E5:E6"), "{message}");
    }

    let out = directory.path().join("a.result.xlsx");
    let sheet = Sheet::open(&path, &SheetOptions::default()).unwrap();
    let mut count = 0;
    annotate(&sheet, &out, Columns { names: &["result"], list: None }, &mut |_: &Record| {
        count += 1;
        Ok(Some(vec![Cell::text(format!("결과 {count}"))]))
    })
    .unwrap();
    let result = Sheet::open(&out, &SheetOptions::default()).unwrap();
    assert_eq!(result.header().last().map(String::as_str), Some("result"));
    let mut shown = Vec::new();
    result
        .read(&mut |record| {
            let Content::Cells(cells) = &record.content else { panic!("cells") };
            shown.push(cells.iter().map(Cell::shown).collect::<Vec<_>>().join("|"));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(shown[0], "K-3|1000000001|서함시험|1990-01-01|자동차세|결과 1");
    assert_eq!(shown.len(), 5);
}

#[test]
fn a_workbook_broken_anywhere_ends_in_a_message() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.xlsx");
    workbook(&path, |book| {
        let sheet = book.add_worksheet();
        for row in 0..50 {
            for (column, text) in HEADER.split(',').enumerate() {
                sheet.write_string(row, u16::try_from(column).unwrap(), text).unwrap();
            }
        }
    });
    let whole = std::fs::read(&path).unwrap();
    for i in 0..400 {
        let mut broken = whole.clone();
        let at = i * whole.len() / 400;
        if i % 4 == 0 {
            broken.truncate(at);
        } else {
            broken[at] ^= 0xff;
        }
        let file = file("b.xlsx", &broken);
        // Rows or an error, but never a panic.
        let _ = read(&file.path, &sets());
    }
}

#[test]
fn the_result_is_in_the_files_own_form() {
    let text = format!("{HEADER}\r\n\"K-1\",01000000001,\"서,함\",19900101,자동차세\r\n{}\r\n", row(2));
    let file = file("고지서.csv", &cp949(&text));
    let sheet = Sheet::open(&file.path, &SheetOptions::default()).unwrap();
    let out = file.directory.path().join("out.csv");
    let mut rows = Vec::new();
    annotate(
        &sheet,
        &out,
        Columns { names: &["result", "document_binder_uuid"], list: None },
        &mut |record: &Record| {
            rows.push(record.row);
            Ok(Some(vec![Cell::text("접수"), Cell::text(if record.row == 2 { "BIN-1" } else { "" })]))
        },
    )
    .unwrap();
    assert_eq!(rows, [2, 3]);
    let written = encoding_rs::EUC_KR.decode(&std::fs::read(&out).unwrap()).0.into_owned();
    let lines: Vec<&str> = written.split("\r\n").collect();
    assert_eq!(lines[0], format!("{HEADER},result,document_binder_uuid"));
    assert_eq!(lines[1], "K-1,01000000001,\"서,함\",19900101,자동차세,접수,BIN-1");
    assert_eq!(lines[2], format!("{},접수,", row(2)));
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    // Existing result columns are overwritten, not added again.
    let result = Sheet::open(&out, &SheetOptions::default()).unwrap();
    annotate(
        &result,
        &out,
        Columns { names: &["result", "doc_box_status"], list: None },
        &mut |_: &Record| Ok(Some(vec![Cell::text("다시"), Cell::text("READ")])),
    )
    .unwrap();
    let again = Sheet::open(&out, &SheetOptions::default()).unwrap();
    assert_eq!(again.header()[5..], ["result", "document_binder_uuid", "doc_box_status"].map(str::to_owned));
    // A result is not sent again by mistake.
    assert!(Layout::new(&again, &[], &sets()).is_err());
}

#[test]
fn lines_of_json_are_sent_as_they_are() {
    let good = r#"{"title":"고지서","read_expired_sec":60,"receiver":{"ci":"C"},"property":{"link":"https://a.example.kr/","cs_number":"1","cs_name":"과","external_document_uuid":"J-1"}}"#;
    let text = format!("{good}\n\n{{\"title\":1}}\n[1]\nnot json\n{}\n", good.replace("J-1", "J-6"));
    let file = file("a.jsonl", text.as_bytes());
    let rows = read(&file.path, &[]).unwrap();
    assert_eq!(rows[0], (1, Ok("J-1".to_owned())));
    assert_eq!(rows[4], (6, Ok("J-6".to_owned())));
    let wrong: Vec<(u64, &str)> =
        rows[1..4].iter().map(|(row, made)| (*row, made.as_ref().unwrap_err().as_str())).collect();
    assert!(wrong[0].0 == 3 && wrong[0].1.contains("title:must be a string"), "{wrong:?}");
    assert!(wrong[1].1.contains("must be an object"), "{wrong:?}");
    assert!(wrong[2].1.contains("malformed JSON"), "{wrong:?}");

    let sheet = Sheet::open(&file.path, &SheetOptions::default()).unwrap();
    let sets = [(Member::ReadExpiredAt, "2030-01-01".to_owned()), (Member::CsName, "민원실".to_owned())];
    let layout = Layout::new(&sheet, &[], &sets).unwrap();
    let mut first = None;
    sheet
        .read(&mut |record| {
            first = layout.document(&record, NOW).ok().map(|good| good.json);
            ControlFlow::Break(())
        })
        .unwrap();
    let first = first.unwrap();
    assert!(first.contains(r#""cs_name":"민원실""#) && first.contains("read_expired_at"), "{first}");
    assert!(!first.contains("read_expired_sec"), "{first}");
}

#[test]
fn rows_without_ids_have_ids_that_no_other_job_gives() {
    let text = "전화번호,이름,생년월일,세목\n01000000001,서함시험,19900101,자동차세\n";
    let id = |layout: Layout, sheet: &Sheet| {
        let mut id = String::new();
        sheet
            .read(&mut |record| {
                id =
                    layout.document(&record, NOW).map(|good| good.external_document_uuid).unwrap_or_default();
                ControlFlow::Continue(())
            })
            .unwrap();
        id
    };
    let table = file("a.csv", text.as_bytes());
    let sheet = Sheet::open(&table.path, &SheetOptions::default()).unwrap();
    let job = "019abcde00007000800000001f2e3d4c";
    let layout = Layout::new(&sheet, &[], &sets()).unwrap().with_job(job);
    assert!(layout.numbers_rows() && !layout.has_own_ids());
    assert_eq!(id(layout, &sheet), "ROW-1f2e3d4c-2");
    let mut numbered = sets();
    numbered.push((Member::ExternalDocumentUuid, "세금-{{#}}".to_owned()));
    let layout = Layout::new(&sheet, &[], &numbered).unwrap().with_job(job);
    assert!(!layout.has_own_ids());
    assert_eq!(id(layout, &sheet), "세금-2", "as it was asked for");
    // The rows of a result may have other numbers than before.
    let result = file(
        "b.csv",
        text.replace("세목\n", "세목,문서함 번호\n").replace("자동차세\n", "자동차세,\n").as_bytes(),
    );
    let sheet = Sheet::open(&result.path, &SheetOptions::default()).unwrap();
    let layout = Layout::of_result(&sheet, &[], &numbered).unwrap().with_job(job);
    assert_eq!(id(layout, &sheet), "세금-2-1f2e3d4c");
}
