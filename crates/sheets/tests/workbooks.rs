//! Workbooks as programs write them, and malformed ones, assembled from their parts.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests are documented by their names")]

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use seoham_model::{Lang, UnixSeconds};
use seoham_sheets::{Content, Good, Layout, Member, Repair, Sheet, SheetError, SheetOptions};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const NOW: UnixSeconds = UnixSeconds(1_795_359_600);
const MAIN: &str = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
    xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
const TYPES: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// A workbook with one sheet, part by part.
struct Book {
    parts: Vec<(String, String)>,
}

fn relationships(of: &[(&str, &str, &str)]) -> String {
    let mut xml =
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">".to_owned();
    for (id, kind, target) in of {
        xml.push_str(
            &["<Relationship Id=\"", id, "\" Type=\"", TYPES, "/", kind, "\" Target=\"", target, "\"/>"]
                .concat(),
        );
    }
    xml + "</Relationships>"
}

/// A cell with text.
fn text(place: &str, text: &str) -> String {
    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

const HEADER: [&str; 6] = ["전화번호", "이름", "생년월일", "관리번호", "내용", "비고"];

/// A person's row with the given cells from D on.
fn person(row: u32, rest: &str) -> String {
    let who = [("A", "01000000001"), ("B", "서함시험"), ("C", "19900101")];
    let cells: String = who.iter().map(|(column, value)| text(&format!("{column}{row}"), value)).collect();
    format!("<row r=\"{row}\">{cells}{rest}</row>")
}

fn header() -> String {
    let cells: String = HEADER
        .iter()
        .zip(["A1", "B1", "C1", "D1", "E1", "F1"])
        .map(|(name, place)| text(place, name))
        .collect();
    format!("<row r=\"1\">{cells}</row>")
}

impl Book {
    /// A workbook with these rows in its sheet, and styles with these formats.
    fn new(rows: &str, formats: &[&str]) -> Self {
        let codes = formats.iter().enumerate().map(|(n, code)| {
            format!("<numFmt numFmtId=\"{}\" formatCode=\"{}\"/>", 164 + n, code.replace('"', "&quot;"))
        });
        let codes = codes.collect::<Vec<_>>().concat();
        let styles = (0..formats.len()).map(|n| format!("<xf numFmtId=\"{}\"/>", 164 + n));
        let styles = styles.collect::<Vec<_>>().concat();
        let part = |name: &str, xml: String| (name.to_owned(), xml);
        Self {
            parts: vec![
                part("_rels/.rels", relationships(&[("rId1", "officeDocument", "xl/workbook.xml")])),
                part(
                    "xl/workbook.xml",
                    format!(
                        "<workbook {MAIN}><sheets><sheet name=\"자료\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"
                    ),
                ),
                part(
                    "xl/_rels/workbook.xml.rels",
                    relationships(&[
                        ("rId1", "worksheet", "worksheets/sheet1.xml"),
                        ("rId2", "styles", "styles.xml"),
                    ]),
                ),
                part(
                    "xl/styles.xml",
                    format!(
                        "<styleSheet {MAIN}><numFmts>{codes}</numFmts><cellXfs><xf numFmtId=\"0\"/>{styles}</cellXfs></styleSheet>"
                    ),
                ),
                part(
                    "xl/worksheets/sheet1.xml",
                    format!("<worksheet {MAIN}><sheetData>{}{rows}</sheetData></worksheet>", header()),
                ),
            ],
        }
    }

    fn replace(mut self, part: &str, from: &str, to: &str) -> Self {
        let (_, xml) = self.parts.iter_mut().find(|(name, _)| name == part).unwrap();
        assert!(xml.contains(from), "{xml}");
        *xml = xml.replace(from, to);
        self
    }

    fn rename(mut self, from: &str, to: &str) -> Self {
        let (name, _) = self.parts.iter_mut().find(|(name, _)| name == from).unwrap();
        to.clone_into(name);
        self
    }

    fn save(&self) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.xlsx");
        let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, xml) in &self.parts {
            zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            zip.write_all(xml.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        (directory, path)
    }

    /// For each row, the document or all its errors.
    fn read(&self) -> Result<Vec<Result<Good, String>>, SheetError> {
        let (_directory, path) = self.save();
        let sheet = Sheet::open(&path, &SheetOptions::default())?;
        let sets = [
            (Member::Title, "안내"),
            (Member::Link, "https://tax.example.kr/notice"),
            (Member::CsNumber, "02-000-0000"),
            (Member::CsName, "세무과"),
            (Member::ReadExpiredDays, "30"),
        ]
        .map(|(member, value)| (member, value.to_owned()));
        let layout = Layout::new(&sheet, &[], &sets)?;
        let mut rows = Vec::new();
        sheet.read(&mut |record| {
            let reported = |problems: Vec<seoham_sheets::Problem>| {
                let reported = problems.iter().map(|p| {
                    [p.cell.clone().unwrap_or_default(), p.text.in_lang(Lang::En).to_owned()].concat()
                });
                reported.collect::<Vec<_>>().join("; ")
            };
            rows.push(layout.document(&record, NOW).map_err(reported));
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// The value at `path` in the single row's document, as it is sent.
    fn sent(&self, path: &str) -> String {
        let row = self.read().unwrap().remove(0).map_err(|e| panic!("{e}")).unwrap();
        let document: serde_json::Value = serde_json::from_str(&row.json).unwrap();
        document.pointer(path).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    }

    fn wrong(&self) -> String {
        let Err(error) = self.read().unwrap().remove(0).map(|_| ()) else { panic!("it is good") };
        error
    }
}

const ID: &str = "/property/external_document_uuid";
const MESSAGE: &str = "/property/message";

fn number(place: &str, style: usize, value: &str) -> String {
    format!("<c r=\"{place}\" s=\"{style}\"><v>{value}</v></c>")
}

#[test]
fn a_number_is_sent_as_its_cell_shows_it() {
    for (code, value, shown) in [
        ("000000", "123", "000123"),
        ("0%", "0.05", "5%"),
        ("hh:mm", "0.75", "18:00"),
        ("#,##0\"원\"", "1234567", "1,234,567원"),
        ("_-* #,##0_-;\\-* #,##0_-;_-* \"-\"_-;_-@_-", "84500", "84,500"),
        ("yyyy\"년\" m\"월\" d\"일\"", "46387", "2026년 12월 31일"),
        ("General", "123", "123"),
        ("0", "123", "123"),
        ("@", "123", "123"),
    ] {
        let book = Book::new(&person(2, &(text("D2", "K-1") + &number("E2", 1, value))), &[code]);
        assert_eq!(book.sent(MESSAGE), shown, "{code}");
        let good = book.read().unwrap().remove(0).map_err(|e| panic!("{e}")).unwrap();
        assert_eq!(good.repairs.contains(&Repair::AsShown), shown != value, "{code}: reported");
    }
    for code in ["# ?/?", "0.00E+00", "[$-F800]dddd, mmmm dd, yyyy", ";;;", "0,"] {
        let book = Book::new(&person(2, &(text("D2", "K-1") + &number("E2", 1, "46387.5"))), &[code]);
        assert!(book.wrong().contains("number format"), "{code}: {}", book.wrong());
        let unused = Book::new(&person(2, &(text("D2", "K-1") + &number("F2", 1, "46387.5"))), &[code]);
        assert_eq!(unused.sent(ID), "K-1", "in a column that nothing is taken from");
    }
    let two = Book::new(&person(2, &number("D2", 1, "123")), &["000000"]).replace(
        "xl/styles.xml",
        "<numFmts>",
        "<numFmts><numFmt numFmtId=\"164\" formatCode=\"0000\"/>",
    );
    assert!(two.wrong().contains("number format"), "of two definitions none is certain");
}

#[test]
fn dates_and_telephone_numbers_are_what_they_are_whatever_their_form() {
    let rows = "<row r=\"2\"><c r=\"A2\" s=\"1\"><v>1000000001</v></c><c r=\"B2\" t=\"inlineStr\"><is><t>서함시험</t></is></c>\
        <c r=\"C2\" s=\"2\"><v>32874</v></c><c r=\"D2\" t=\"inlineStr\"><is><t>K-1</t></is></c></row>";
    for (phone, birthday) in [
        ("000-0000-0000", "yyyy-mm-dd"),
        ("00000000000", "yy.m.d"),
        ("#,##0", "[$-F800]dddd, mmmm dd, yyyy"),
        ("General", "d-mmm-yy"),
    ] {
        let book = Book::new(rows, &[phone, birthday]);
        assert_eq!(book.sent("/receiver/phone_number"), "01000000001", "{phone}");
        assert_eq!(book.sent("/receiver/birthday"), "19900101", "{birthday}");
    }
}

#[test]
fn values_that_the_workbook_declares_stale_are_refused_by_their_cell() {
    let stale = "<calcPr fullCalcOnLoad=\"1\"/></workbook>";
    let cell = |inner: &str| person(2, &format!("<c r=\"D2\" t=\"str\">{inner}</c>"));
    for (rows, workbook) in [
        (cell("<f>A2</f>"), "</workbook>"),
        (person(2, "<c r=\"D2\"><f>A2</f><v></v></c>"), "</workbook>"),
        (person(2, "<c r=\"D2\" t=\"n\"><f>A2</f><v/></c>"), "</workbook>"),
        (cell("<f>A2</f><v>0</v>"), stale),
        (cell("<f>A2</f><v></v>"), stale),
        (cell("<f ca=\"1\">TODAY()</f><v>46387</v>"), "</workbook>"),
        (cell("<f>A2</f><v>x</v>"), "<calcPr calcCompleted=\"0\"/></workbook>"),
        (cell("<f t=\"shared\" si=\"0\"/><v>x</v>"), stale),
    ] {
        let book = Book::new(&rows, &[]).replace("xl/workbook.xml", "</workbook>", workbook);
        let wrong = book.wrong();
        assert!(wrong.contains("D2") && wrong.contains("formula"), "{rows}: {wrong}");
    }
    // The cells that an array formula fills below its own have no formula themselves.
    let array = person(2, "<c r=\"D2\" t=\"str\"><f t=\"array\" ref=\"D2:D3\">X</f><v>a</v></c>")
        + &person(3, "<c r=\"D3\" t=\"str\"><v>b</v></c>");
    let book = Book::new(&array, &[]).replace("xl/workbook.xml", "</workbook>", stale);
    assert!(book.read().unwrap().iter().all(Result::is_err));
    // Calculated, or not a formula.
    for (rows, workbook) in [
        (cell("<f>A2</f><v>K-1</v>"), "</workbook>"),
        (cell("<v>K-1</v>"), stale),
        (cell("<f>A2</f><v>K-1</v>"), "<calcPr calcId=\"191029\"/></workbook>"),
    ] {
        let book = Book::new(&rows, &[]).replace("xl/workbook.xml", "</workbook>", workbook);
        assert_eq!(book.sent(ID), "K-1", "{rows}");
    }
    let unused = person(2, &(text("D2", "K-1") + "<c r=\"F2\"><f>A2</f></c>"));
    assert_eq!(Book::new(&unused, &[]).sent(ID), "K-1", "in a column that nothing is taken from");
}

#[test]
fn of_two_definitions_none_is_taken() {
    let row = person(2, &text("D2", "K-1"));
    let twice = |book: Book| book.read().map(|_| ()).unwrap_err().to_string();
    for rows in [
        format!("{row}{}", person(2, &text("D2", "K-2"))),
        person(2, &(text("D2", "K-1") + &text("D2", "K-2"))),
        person(2, &(text("E2", "K-1") + &text("D2", "K-2"))),
        person(2, "<c r=\"D2\"><v>1</v><v>2</v></c>"),
    ] {
        let error = twice(Book::new(&rows, &[]));
        assert!(error.contains("twice"), "{rows}: {error}");
    }
    let tables =
        Book::new(&row, &[]).replace("xl/worksheets/sheet1.xml", "</worksheet>", "<sheetData/></worksheet>");
    assert!(twice(tables).contains("twice"));
    let ids = Book::new(&row, &[]).replace(
        "xl/_rels/workbook.xml.rels",
        "</Relationships>",
        &format!("<Relationship Id=\"rId1\" Type=\"{TYPES}/worksheet\" Target=\"x.xml\"/></Relationships>"),
    );
    assert!(twice(ids).contains("twice"));
    let earlier = format!("{}{row}", person(3, &text("D3", "K-3")));
    assert!(twice(Book::new(&earlier, &[])).contains("earlier row"));
    let elsewhere = person(2, &text("D3", "K-1"));
    assert!(Book::new(&elsewhere, &[]).read().is_err(), "a cell of another row");
}

#[test]
fn what_is_not_needed_does_not_matter() {
    let row = person(2, &text("D2", "K-1"));
    let more = |kind: &str| {
        Book::new(&row, &[])
            .replace(
                "xl/workbook.xml",
                "</sheets>",
                "<sheet name=\"다른 것\" sheetId=\"2\" state=\"veryHidden\" r:id=\"rId9\"/></sheets><extLst><ext uri=\"x\"/></extLst>",
            )
            .replace(
                "xl/_rels/workbook.xml.rels",
                "</Relationships>",
                &format!("<Relationship Id=\"rId9\" Type=\"http://example.com/{kind}\" Target=\"gone.xml\"/></Relationships>"),
            )
    };
    for kind in ["xlMacrosheet", "chartsheet", "dialogsheet", "somethingNew"] {
        assert_eq!(more(kind).sent(ID), "K-1", "{kind}");
    }
    for error in ["#SPILL!", "#BUSY!", "#PYTHON!", ""] {
        let cell = |column: &str| format!("<c r=\"{column}2\" t=\"e\"><v>{error}</v></c>");
        let unused = Book::new(&person(2, &(text("D2", "K-1") + &cell("F"))), &[]);
        assert_eq!(unused.sent(ID), "K-1", "{error}");
        let used = Book::new(&(person(2, &cell("D")) + &person(3, &text("D3", "K-3"))), &[]);
        let rows = used.read().unwrap();
        assert!(rows[0].is_err() && rows[1].is_ok(), "{error}: an error of its row alone");
    }
    let unknown =
        person(2, &(text("D2", "K-1") + "<c r=\"F2\" t=\"new\"><v>1</v><new/></c><extLst><ext/></extLst>"));
    assert_eq!(Book::new(&unknown, &[]).sent(ID), "K-1");
    let no_text = person(2, &(text("D2", "K-1") + "<c r=\"F2\" t=\"s\"><v>99</v></c>"));
    assert_eq!(Book::new(&no_text, &[]).sent(ID), "K-1");
}

#[test]
fn parts_are_found_wherever_they_lie() {
    let row = person(2, &text("D2", "K-1"));
    for target in [
        "/deep/er/자료.xml",
        "../deep/er/자료.xml",
        "..\\deep\\er\\자료.xml",
        "/Deep/ER/%EC%9E%90%EB%A3%8C.xml",
    ] {
        let book = Book::new(&row, &[])
            .replace("xl/_rels/workbook.xml.rels", "worksheets/sheet1.xml", target)
            .rename("xl/worksheets/sheet1.xml", "deep/er/자료.xml");
        assert_eq!(book.sent(ID), "K-1", "{target}");
    }
    let elsewhere = Book::new(&row, &[])
        .replace("_rels/.rels", "xl/workbook.xml", "/book/main.xml")
        .rename("xl/workbook.xml", "book/main.xml")
        .rename("xl/_rels/workbook.xml.rels", "book/_rels/main.xml.rels")
        .rename("xl/styles.xml", "book/styles.xml")
        .rename("xl/worksheets/sheet1.xml", "book/worksheets/sheet1.xml");
    assert_eq!(elsewhere.sent(ID), "K-1");
    let strict = Book::new(&row, &[])
        .replace("_rels/.rels", TYPES, "http://purl.oclc.org/ooxml/officeDocument/relationships")
        .replace(
            "xl/_rels/workbook.xml.rels",
            TYPES,
            "http://purl.oclc.org/ooxml/officeDocument/relationships",
        );
    assert_eq!(strict.sent(ID), "K-1");
    let prefixed = Book::new(&row, &[]).replace("xl/worksheets/sheet1.xml", "<", "<x:").replace(
        "xl/worksheets/sheet1.xml",
        "<x:/",
        "</x:",
    );
    assert_eq!(prefixed.sent(ID), "K-1");
}

#[test]
fn hidden_rows_are_told() {
    let hidden = person(3, &text("D3", "K-3")).replace("<row ", "<row hidden=\"1\" ");
    let book = Book::new(&(person(2, &text("D2", "K-1")) + &hidden), &[]);
    let (_directory, path) = book.save();
    let sheet = Sheet::open(&path, &SheetOptions::default()).unwrap();
    let mut rows = Vec::new();
    sheet
        .read(&mut |record| {
            assert!(matches!(record.content, Content::Cells(_)));
            rows.push((record.row, record.is_hidden));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(rows, [(2, false), (3, true)]);
}
