//! A table written again with each row's verdict, whose rejected rows are rejected again.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests are documented by their names")]

use std::ops::ControlFlow;
use std::path::Path;

use rust_xlsxwriter::{Format as CellFormat, Workbook};
use seoham_model::UnixSeconds;
use seoham_sheets::{
    Beside, Cell, Columns, Content, Filled, Layout, Member, Record, ResultColumn, RowState, Sheet,
    SheetError, SheetOptions, UNCERTAIN_ROW, annotate,
};

const NOW: UnixSeconds = UnixSeconds(1_795_359_600);
const HEADER: &str = "관리번호,전화번호,이름,생년월일,내용";
const NAMES: [&str; 4] = ["발송 결과", "문서함 번호", "오류 코드", "오류 내용"];

fn columns() -> Columns<'static> {
    Columns { names: &NAMES, list: Some(("고칠 행", &["행", "고칠 점"])) }
}

fn open(path: &Path) -> Sheet {
    Sheet::open(path, &SheetOptions::default()).unwrap()
}

fn layout(sheet: &Sheet, is_result: bool) -> Layout {
    let set = |member, text: &str| (member, text.to_owned());
    let sets = [
        set(Member::Title, "{{내용}}"),
        set(Member::Link, "https://tax.example.kr/notice"),
        set(Member::CsNumber, "02-000-0000"),
        set(Member::CsName, "세무과"),
        set(Member::ReadExpiredDays, "30"),
    ];
    if is_result { Layout::of_result(sheet, &[], &sets) } else { Layout::new(sheet, &[], &sets) }.unwrap()
}

/// The document id for a row.
fn bin(id: &str) -> String {
    format!("BIN-{:0>32}", id.trim_start_matches("K-"))
}

/// The verdicts of a send in which every valid row is accepted.
struct Verdicts<'a> {
    layout: &'a Layout,
}

impl Beside for Verdicts<'_> {
    fn fill(&mut self, record: &Record) -> Result<Filled, SheetError> {
        let values = |values: [&str; 4]| Some(values.map(Cell::text).to_vec());
        if let Ok(good) = self.layout.document(record, NOW) {
            let id = bin(&good.external_document_uuid);
            return Ok(Filled { values: values(["접수", &id, "", ""]), ..Filled::default() });
        }
        let code = if self.layout.is_uncertain(record) { UNCERTAIN_ROW } else { "INVALID_ROW" };
        let listed = vec![vec![Cell::text(record.row.to_string()), Cell::text("고쳐 주십시오")]];
        Ok(Filled { values: values(["발송 안 함", "", code, ""]), listed })
    }
}

/// Writes the result of a file. Returns the numbers of the rejected rows in the file and in the result.
fn refused_again(path: &Path) -> (Vec<u64>, Vec<u64>) {
    let sheet = open(path);
    let before = layout(&sheet, false);
    let out = path.with_extension(format!("result.{}", path.extension().unwrap().to_str().unwrap()));
    annotate(&sheet, &out, columns(), &mut Verdicts { layout: &before }).unwrap();
    let refused = |sheet: &Sheet, layout: &Layout| {
        let mut rows = Vec::new();
        sheet
            .read(&mut |record| {
                let is_open = matches!(layout.row_state(&record), RowState::Open | RowState::Accepted);
                if !is_open || layout.document(&record, NOW).is_err() {
                    rows.push(record.row);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        rows
    };
    let result = open(&out);
    (refused(&sheet, &before), refused(&result, &layout(&result, true)))
}

fn shown(sheet: &Sheet) -> Vec<(u64, Vec<String>)> {
    let mut rows = Vec::new();
    sheet
        .read(&mut |record| {
            let Content::Cells(cells) = &record.content else { panic!("cells") };
            rows.push((record.row, cells.iter().map(Cell::shown).collect()));
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn person(id: &str, content: &str) -> String {
    format!("{id},01000000001,서함시험,19900101,{content}")
}

#[test]
fn a_verdict_stands_beside_its_row_whatever_lines_are_empty() {
    let directory = tempfile::tempdir().unwrap();
    for (end, empty) in [("\r\n", ""), ("\n", ""), ("\r\n", "  "), ("\n", " , ,,,"), ("\r\n", "\t")] {
        let lines = ["안내", empty, HEADER, &person("K-1", "가"), empty, empty, &person("K-2", "나"), empty];
        let path = directory.path().join("a.csv");
        std::fs::write(&path, lines.join(end)).unwrap();
        let sheet = open(&path);
        let made = layout(&sheet, false);
        let out = directory.path().join("out.csv");
        annotate(&sheet, &out, columns(), &mut Verdicts { layout: &made }).unwrap();
        let result = open(&out);
        assert_eq!(result.header_row(), sheet.header_row(), "{empty:?}");
        let rows: Vec<(u64, String, String)> = shown(&result)
            .into_iter()
            .map(|(row, cells)| (row, cells[0].clone(), cells[6].clone()))
            .collect();
        let expected = [(4, "K-1"), (7, "K-2")];
        assert_eq!(rows, expected.map(|(row, id)| (row, id.to_owned(), bin(id))), "{empty:?}");
    }
}

#[test]
fn a_row_of_text_that_is_refused_is_refused_in_its_result_until_somebody_says_that_it_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    let rows = [
        HEADER.to_owned(),
        person("K-1", "가"),
        // Too many values, too few, unmatched quotation marks, a failed formula.
        person("K-2", "1,234원,더"),
        "K-3,01000000001,서함시험,19900101".to_owned(),
        person("K-4", "\"나\"다"),
        person("K-5", "#REF!"),
        person("K-6", "라"),
    ];
    std::fs::write(&path, rows.join("\r\n")).unwrap();
    assert_eq!(refused_again(&path), (vec![3, 4, 5, 6], vec![3, 4, 5, 6]));
    let result = open(&directory.path().join("a.result.csv"));
    let rows = shown(&result);
    assert_eq!(
        rows[1].1,
        [
            "K-2",
            "01000000001",
            "서함시험",
            "19900101",
            "1",
            "발송 안 함",
            "",
            UNCERTAIN_ROW,
            "",
            "234원",
            "더"
        ]
    );

    // Corrected and confirmed, it is a normal row.
    let text = std::fs::read_to_string(result.path()).unwrap();
    assert!(text.starts_with('\u{feff}'), "a spreadsheet program knows its encoding");
    std::fs::write(
        result.path(),
        text.replace(",,UNCERTAIN_ROW,,234원,더", ",,,")
            .replace("19900101,,발송 안 함,,UNCERTAIN_ROW", "19900101,마,,,"),
    )
    .unwrap();
    let result = open(result.path());
    let made = layout(&result, true);
    let mut states = Vec::new();
    result
        .read(&mut |record| {
            states.push((made.row_state(&record), made.document(&record, NOW).is_ok()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(states[1..3], [(RowState::Open, true), (RowState::Open, true)]);
}

#[test]
fn a_cell_that_is_refused_is_refused_in_its_result() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.xlsx");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let line = |sheet: &mut rust_xlsxwriter::Worksheet, row: u32, texts: &[&str]| {
        for (column, text) in (0..).zip(texts) {
            sheet.write_string(row, column, *text).unwrap();
        }
    };
    line(sheet, 0, &HEADER.split(',').collect::<Vec<_>>());
    for row in 1..=9 {
        line(sheet, row, &[&format!("K-{row}"), "01000000001", "서함시험", "19900101", "가"]);
    }
    let format = |code: &str| CellFormat::new().set_num_format(code);
    sheet.write_number_with_format(1, 4, 1_234_567.0, &format("#,##0\"원\"")).unwrap();
    sheet.write_number_with_format(2, 4, 1_234_567.0, &format("#,##0,\"천원\"")).unwrap();
    sheet.write_number_with_format(3, 4, 46_387.0, &format("[$-411]ggge\"年\"m\"月\"d\"日\"")).unwrap();
    sheet.write_number_with_format(4, 4, 0.5, &format("# ?/?")).unwrap();
    sheet.write_number_with_format(5, 4, 46_387.0, &format("yyyy\"년\" m\"월\" d\"일\"")).unwrap();
    sheet.write_formula(6, 4, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    sheet.merge_range(7, 4, 8, 4, "합친 값", &CellFormat::new()).unwrap();
    sheet.write_number_with_format(9, 4, 0.75, &CellFormat::new().set_num_format_index(17)).unwrap();
    book.save(&path).unwrap();
    let (before, after) = refused_again(&path);
    assert_eq!(before, after);
    assert_eq!(before, [3, 4, 5, 7, 8, 9, 10]);

    // The displayed values are unchanged, and the rows to correct have a sheet of their own.
    let result = open(&path.with_extension("result.xlsx"));
    let contents: Vec<String> = shown(&result).into_iter().map(|(_, cells)| cells[4].clone()).collect();
    assert_eq!((contents[0].as_str(), contents[4].as_str()), ("1,234,567원", "2026년 12월 31일"));
    let options = SheetOptions { sheet: Some("고칠 행".to_owned()), ..SheetOptions::default() };
    let list = Sheet::open(result.path(), &options).unwrap();
    let listed: Vec<String> = shown(&list).into_iter().map(|(_, cells)| cells[0].clone()).collect();
    assert_eq!(listed, ["3", "4", "5", "7", "8", "9", "10"]);
}

#[test]
fn rows_that_do_not_add_up_leave_no_file() {
    struct Short;
    impl Beside for Short {
        fn fill(&mut self, _: &Record) -> Result<Filled, SheetError> {
            Ok(Filled::default())
        }
        fn end(&mut self) -> Result<(), SheetError> {
            Err(SheetError::changed())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("a.csv", [HEADER, &person("K-1", "가")].join("\n")), ("a.jsonl", "{}\n".to_owned())]
    {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let out = directory.path().join("out");
        assert!(annotate(&open(&path), &out, columns(), &mut Short).is_err());
        assert!(!out.exists());
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "nor a part of one");
    assert!(NAMES.iter().all(|name| ResultColumn::of(name).is_some()));
}
