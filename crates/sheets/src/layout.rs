//! Maps each member of a document to a column or a constant.

use std::collections::HashSet;

use seoham_model::identity::{self, BirthCentury};
use seoham_model::violation::{self, Place, Violation};
use seoham_model::{BinderId, Lang, Text};
use serde_json::Value;

use crate::lines::repeats_a_member;
use crate::names::normalized;
use crate::row::{Content, Problem, Record};
use crate::template::{Template, column, shown_header};
use crate::text::rows::holds_rows;
use crate::xlsx::cell_name;
use crate::{Cell, Format, Member, ResultColumn, RowVerdict, Sheet, SheetError};

/// The error code of a row whose values may be in the wrong columns. Once rewritten, such a row looks like
/// any other, so its code blocks it until somebody clears the code.
pub const UNCERTAIN_ROW: &str = "UNCERTAIN_ROW";

pub(crate) const DAY_SECONDS: u32 = 86_400;
/// How many characters of a job's name become part of its row ids.
const JOB_CHARACTERS: usize = 8;
/// The minimum length for a text to look like a ci.
const CI_CHARACTERS_MIN: usize = 40;

/// How rows are converted to documents.
pub struct Layout {
    pub(crate) header: Vec<String>,
    pub(crate) sources: Vec<(Member, Source)>,
    /// The constants for JSON Lines.
    pub(crate) constants: Vec<(Member, Value)>,
    pub(crate) numbers_rows: bool,
    pub(crate) birth_century: Option<BirthCentury>,
    /// The table is the result of a send, whose rest is to be sent.
    pub(crate) is_result: bool,
}

/// The state of a row in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// To be sent.
    Open,
    /// It has a document id: it was accepted, regardless of later edits.
    Accepted,
    /// It was sent, but its outcome is unknown.
    Unknown,
    /// The document id column contains something else.
    Unreadable,
    /// Its values may be in the wrong columns, and nobody has confirmed them since.
    Uncertain,
}

pub(crate) enum Source {
    Column(usize),
    Set(Template),
}

impl Layout {
    /// The layout of a sheet: finds columns by name or by `maps` (member and column), and overrides them with
    /// `sets` (member and constant or template).
    pub fn new(
        sheet: &Sheet,
        maps: &[(Member, String)],
        sets: &[(Member, String)],
    ) -> Result<Self, SheetError> {
        if let Some(column) =
            sheet.header().iter().find(|name| ResultColumn::of(name) == Some(ResultColumn::Binder))
        {
            return Err(SheetError::made(
                format!(
                    "이미 발송한 결과 파일입니다('{column}' 열이 있습니다). 접수되지 않은 행만 보내려면 --rest를 쓰십시오"
                ),
                format!(
                    "this is the result of a send (it has a column {column}); to send what was not accepted, use --rest"
                ),
            ));
        }
        // A result would overwrite this column, and the rest would be computed from it.
        if let Some(column) = sheet.header().iter().find(|name| ResultColumn::of(name).is_some()) {
            return Err(SheetError::made(
                format!("'{column}' 열은 발송 결과를 적는 열과 이름이 같습니다. 열 이름을 바꾸어 주십시오"),
                format!("the column {column:?} has the name of one that a result is written into; rename it"),
            ));
        }
        Self::make(sheet, maps, sets, false)
    }

    /// The layout for sending the rest of a result.
    pub fn of_result(
        sheet: &Sheet,
        maps: &[(Member, String)],
        sets: &[(Member, String)],
    ) -> Result<Self, SheetError> {
        let has_ids = sheet.header().iter().any(|name| ResultColumn::of(name) == Some(ResultColumn::Binder));
        if !has_ids && *sheet.format() != Format::JsonLines {
            return Err(SheetError::new(
                "발송 결과 파일이 아닙니다('문서함 번호' 열이 없습니다)",
                "this is no result of a send (it has no column document_binder_uuid)",
            ));
        }
        Self::make(sheet, maps, sets, true)
    }

    fn make(
        sheet: &Sheet,
        maps: &[(Member, String)],
        sets: &[(Member, String)],
        is_result: bool,
    ) -> Result<Self, SheetError> {
        let header = sheet.header().to_vec();
        if *sheet.format() == Format::JsonLines {
            return Ok(Self { is_result, ..Self::of_json(maps, sets)? });
        }
        let mut sources: Vec<(Member, Source)> = Vec::new();
        for (member, template) in sets {
            put(&mut sources, *member, Source::Set(Template::parse(template, &header)?))?;
        }
        for (member, name) in maps {
            put(&mut sources, *member, Source::Column(column(name, &header)?))?;
        }
        let taken: HashSet<Member> = sources.iter().map(|(member, _)| *member).collect();
        let mapped: HashSet<usize> = sources
            .iter()
            .filter_map(|(_, source)| match source {
                Source::Column(column) => Some(*column),
                Source::Set(_) => None,
            })
            .collect();
        for (i, name) in header.iter().enumerate() {
            let Some(member) = Member::of_column(name) else { continue };
            if taken.contains(&member) || mapped.contains(&i) {
                continue;
            }
            if let Some((_, Source::Column(first))) = sources.iter().find(|(known, _)| *known == member) {
                let first = &header[*first];
                return Err(SheetError::made(
                    format!(
                        "'{first}' 열과 '{name}' 열이 모두 {member}로 보입니다. --map {member}=열이름 으로 정해 주십시오"
                    ),
                    format!(
                        "columns {first:?} and {name:?} both look like {member}; choose with --map {member}=COLUMN"
                    ),
                ));
            }
            sources.push((member, Source::Column(i)));
        }
        let numbers_rows = !sources.iter().any(|(member, _)| *member == Member::ExternalDocumentUuid);
        if numbers_rows {
            sources.push((Member::ExternalDocumentUuid, Source::Set(Template::row_number("ROW-"))));
        }
        let layout =
            Self { header, sources, constants: Vec::new(), numbers_rows, birth_century: None, is_result };
        layout.check_whole()?;
        Ok(layout)
    }

    /// Sets the rule for six-digit birthdays.
    #[must_use]
    pub fn with_birth_century(self, birth_century: Option<BirthCentury>) -> Self {
        Self { birth_century, ..self }
    }

    /// Makes row ids unique per job. Rows of a table without ids are numbered, and the rows of other tables
    /// have the same numbers; rows of a result may have other numbers than before.
    #[must_use]
    pub fn with_job(mut self, job: &str) -> Self {
        let job = &job[job.len().saturating_sub(JOB_CHARACTERS)..];
        let (numbers_rows, is_result) = (self.numbers_rows, self.is_result);
        for (member, source) in &mut self.sources {
            if let (Member::ExternalDocumentUuid, Source::Set(template)) = (member, source) {
                if numbers_rows {
                    *template = Template::row_number(&format!("ROW-{job}-"));
                } else if is_result && template.has_row_number() {
                    template.push(&format!("-{job}"));
                }
            }
        }
        self
    }

    /// Checks that every required member has a source.
    fn check_whole(&self) -> Result<(), SheetError> {
        let has = |member: Member| self.sources.iter().any(|(known, _)| *known == member);
        let mut missing: Vec<Member> = [Member::Title, Member::Link, Member::CsNumber, Member::CsName]
            .into_iter()
            .filter(|m| !has(*m))
            .collect();
        if !has(Member::Ci) {
            let identity = [Member::PhoneNumber, Member::Name, Member::Birthday];
            missing.extend(identity.into_iter().filter(|m| !has(*m)));
        }
        let deadlines = [Member::ReadExpiredAt, Member::ReadExpiredSec, Member::ReadExpiredDays];
        if !deadlines.iter().any(|member| has(*member)) {
            missing.push(Member::ReadExpiredAt);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let names = |korean: bool| {
            let name = |m: &Member| if korean { format!("{}({m})", m.korean()) } else { m.to_string() };
            missing.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let first = missing[0];
        let columns = shown_header(&self.header);
        Err(SheetError::made(
            format!(
                "필요한 열이 없습니다: {}. 열 이름이 다르면 --map {first}=열이름, 모든 행에 같은 값이면 \
                 --set {first}=값 으로 정해 주십시오. 파일에 있는 열: {columns}",
                names(true)
            ),
            format!(
                "columns are missing: {}. Name a column with --map {first}=COLUMN, or give all rows one value \
                 with --set {first}=VALUE. The file has: {columns}",
                names(false)
            ),
        ))
    }

    /// The source of each member: a column's name, or `None` for a constant.
    pub fn described(&self) -> Vec<(Member, Option<&str>)> {
        let column = |source: &Source| match source {
            Source::Column(column) => Some(self.header[*column].as_str()),
            Source::Set(_) => None,
        };
        self.sources.iter().map(|(member, source)| (*member, column(source))).collect()
    }

    /// The workbook cell of a problem, if it concerns a single cell.
    pub fn cell_of(&self, record: &Record, problem: &Problem) -> Option<String> {
        let by_column = || {
            let column = self.header.iter().position(|name| Some(name) == problem.column.as_ref())?;
            let row = u32::try_from(record.row.checked_sub(1)?).ok()?;
            Some(cell_name((row, u32::try_from(column).ok()?)))
        };
        problem.cell.clone().or_else(by_column)
    }

    /// Columns that no member uses.
    pub fn unused(&self) -> Vec<&str> {
        let used = self.used_columns();
        let is_result = |name: &str| self.is_result && ResultColumn::of(name).is_some();
        let unused = self.header.iter().enumerate();
        let unused =
            unused.filter(|(i, name)| !used.contains(i) && !name.is_empty() && !is_result(name.as_str()));
        unused.map(|(_, name)| name.as_str()).collect()
    }

    /// Whether the table has no ids of its own, so that row numbers are used.
    pub fn numbers_rows(&self) -> bool {
        self.numbers_rows
    }

    /// Whether a row's id identifies it in any file: it comes from the table, not from the row number.
    pub fn has_own_ids(&self) -> bool {
        !matches!(self.source(Member::ExternalDocumentUuid), Some(Source::Set(template)) if template.has_row_number())
    }

    fn used_columns(&self) -> HashSet<usize> {
        let mut used = HashSet::new();
        for (_, source) in &self.sources {
            match source {
                Source::Column(column) => {
                    used.insert(*column);
                }
                Source::Set(template) => used.extend(template.columns()),
            }
        }
        used
    }

    /// Whether the values of a row may silently be in the wrong columns: unmatched quotation marks, missing
    /// or extra values, merged cells.
    pub fn is_uncertain(&self, record: &Record) -> bool {
        let repeats = matches!(&record.content, Content::Json(line) if repeats_a_member(line));
        repeats
            || record.damage.is_some()
            || self.refuse_merged(record).is_err()
            || self.refuse_rows_within(record).is_err()
    }

    pub(crate) fn refuse_merged(&self, record: &Record) -> Result<(), Vec<Problem>> {
        if record.merged.is_empty() {
            return Ok(());
        }
        let used = self.used_columns();
        let touched =
            record.merged.iter().filter(|(from, to, _)| used.iter().any(|c| (from..=to).contains(&c)));
        let problems: Vec<Problem> = touched
            .map(|(from, _, range)| Problem {
                column: self.header.get(*from).cloned(),
                member: None,
                cell: None,
                text: Text::made(
                    format!("병합된 셀입니다({range}). 병합을 풀고 행마다 값을 채워 주십시오"),
                    format!("is merged ({range}); unmerge it and fill in every row"),
                ),
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The state of a row in a result; in any other table every row is open.
    pub fn row_state(&self, record: &Record) -> RowState {
        if !self.is_result {
            return RowState::Open;
        }
        let shown = |column: ResultColumn| match &record.content {
            Content::Cells(_) => {
                let place = self.header.iter().position(|name| ResultColumn::of(name) == Some(column));
                place.map_or_else(String::new, |place| record.shown(place, ""))
            }
            Content::Json(_) => {
                let names = [Lang::En, Lang::Ko].map(|lang| record.shown(0, column.name(lang)));
                names.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
            }
        };
        let id = shown(ResultColumn::Binder);
        if id.is_empty() && shown(ResultColumn::ErrorCode) == UNCERTAIN_ROW {
            return RowState::Uncertain;
        }
        match (id.is_empty(), BinderId::parse(&id)) {
            (_, Some(_)) => RowState::Accepted,
            (false, None) => RowState::Unreadable,
            (true, None) if RowVerdict::of(&shown(ResultColumn::Verdict)) == Some(RowVerdict::Unknown) => {
                RowState::Unknown
            }
            (true, None) => RowState::Open,
        }
    }

    /// Whether a row is a total: it has a label for totals, and names no person. The caller must check that
    /// it is at the end.
    pub fn is_total(&self, record: &Record) -> bool {
        let Content::Cells(cells) = &record.content else { return false };
        let cell = |member| match self.source(member) {
            Some(Source::Column(column)) => cells.get(*column).filter(|cell| !cell.is_empty()),
            _ => None,
        };
        // The label of a total can be in any column, most often in the name's.
        let members = [Member::Name, Member::PhoneNumber, Member::Ci, Member::Birthday];
        let names_somebody = members.into_iter().filter_map(cell).any(|cell| !says_total(&cell.shown()));
        !names_somebody && cells.iter().any(|cell| matches!(cell, Cell::Text(text) if says_total(text)))
    }

    /// Rejects a row with a value that looks like another person's row: a line with a telephone number, a
    /// birthday or a ci in the position of that column.
    pub(crate) fn refuse_rows_within(&self, record: &Record) -> Result<(), Vec<Problem>> {
        if record.lines_within.is_empty() {
            return Ok(());
        }
        let column = |member| match self.source(member) {
            Some(Source::Column(column)) => Some(*column),
            Some(Source::Set(template)) => template.columns().next(),
            None => None,
        };
        let (phone_number, birthday, ci) =
            (column(Member::PhoneNumber), column(Member::Birthday), column(Member::Ci));
        let is_ci =
            |text: &str| text.len() >= CI_CHARACTERS_MIN && text.bytes().all(|b| b.is_ascii_graphic());
        let identifies = |line: &Vec<String>| {
            let at = |column: Option<usize>| column.and_then(|column| line.get(column)).map(String::as_str);
            let found = [
                at(phone_number).is_some_and(|text| identity::phone_number(text).is_ok()),
                at(birthday).is_some_and(|text| identity::birthday(text, None).is_ok()),
                at(ci).is_some_and(is_ci),
            ];
            let found = found.iter().filter(|found| **found).count();
            found >= 2 || (found == 1 && line.len() >= self.header.len())
        };
        if record.lines_within.iter().any(identifies) {
            return Err(vec![Problem::of_row(holds_rows())]);
        }
        Ok(())
    }

    pub(crate) fn problem(&self, violation: &Violation) -> Problem {
        let member = match violation.member {
            "read_expired_sec" if self.source(Member::ReadExpiredSec).is_none() => {
                Some(Member::ReadExpiredDays)
            }
            path => Member::of_path(path),
        };
        let column = match member.and_then(|member| self.source(member)) {
            Some(Source::Column(column)) => self.header.get(*column).cloned(),
            _ => None,
        };
        // An error without a column of its own includes its path.
        let text = match member {
            Some(_) => violation.rule.text(),
            None => violation::text(std::slice::from_ref(violation), Place::Body),
        };
        Problem { column, member, cell: None, text }
    }

    pub(crate) fn source(&self, member: Member) -> Option<&Source> {
        self.sources.iter().find(|(known, _)| *known == member).map(|(_, source)| source)
    }
}

/// `합계`, `총 계`, `소계(3건)`, `합계: 3명`.
fn says_total(text: &str) -> bool {
    let text = normalized(text);
    let words =
        text.trim_end_matches(['건', '명', '원', '행']).trim_end_matches(|c: char| c.is_ascii_digit());
    ["계", "합계", "총계", "총합계", "소계", "누계", "total", "subtotal", "grandtotal", "sum"]
        .contains(&words)
}

fn put(sources: &mut Vec<(Member, Source)>, member: Member, source: Source) -> Result<(), SheetError> {
    if sources.iter().any(|(known, _)| *known == member) {
        return Err(SheetError::made(
            format!("{member}를 두 번 정했습니다(--map, --set)"),
            format!("{member} is given twice (--map, --set)"),
        ));
    }
    sources.push((member, source));
    Ok(())
}
