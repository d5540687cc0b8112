//! The third pass: writes the outcome beside each row, and counts the reasons.

use std::collections::BTreeMap;
use std::path::Path;

use seoham_kit::sending::journal::{Journal, Verdict};
use seoham_model::{Lang, Text};
use seoham_sheets::{
    Beside, Cell, Columns, Filled, Format, Problem, Record, ResultColumn, RowState, RowVerdict, SheetError,
    UNCERTAIN_ROW, annotate, corrections,
};

use super::batches::number_of;
use super::platform_message::for_clerks;
use super::survey::{problems, state_problem};
use super::table::Table;
use crate::terminal::{language, localized};

/// How many reasons are counted separately; all others are counted together.
const REASONS_MAX: usize = 50;

/// The outcome of all rows.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    /// Refused by the platform.
    pub(super) refused: u64,
    /// Not sent, because they are invalid.
    pub(super) bad: u64,
    /// Total rows at the end.
    pub(super) totals: u64,
    /// Accepted earlier.
    pub(super) done: u64,
    pub(super) unknown: u64,
    pub(super) unsent: u64,
    /// The reasons for rows that were not accepted, with their numbers.
    pub(super) reasons: BTreeMap<String, u64>,
}

/// Writes the result of `table` to `out`.
pub(super) fn write(table: &Table, journal: &Journal, out: &Path) -> Result<Tally, SheetError> {
    table.refuse_if_changed()?;
    let mut rows = Rows { table, journal, place: 0, verdicts: None, tally: Tally::default() };
    // JSON Lines are for programs.
    let lang = if *table.sheet.format() == Format::JsonLines { Lang::En } else { language() };
    let names = ResultColumn::OF_SEND.map(|column| column.name(lang));
    let header = [
        localized("행", "row"),
        localized("항목", "column"),
        localized("셀", "cell"),
        localized("오류 코드", "error_code"),
        localized("고칠 점", "what to correct"),
    ];
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    annotate(
        &table.sheet,
        out,
        Columns { names: &names, list: Some((corrections(language()), &header)) },
        &mut rows,
    )?;
    Ok(rows.tally)
}

struct Rows<'a> {
    table: &'a Table,
    journal: &'a Journal,
    place: u64,
    /// The remaining verdicts of the current request.
    verdicts: Option<(u32, Option<std::vec::IntoIter<Verdict>>)>,
    tally: Tally,
}

impl Beside for Rows<'_> {
    fn fill(&mut self, record: &Record) -> Result<Filled, SheetError> {
        if self.table.layout.row_state(record) == RowState::Accepted {
            self.place += 1;
            self.tally.done += 1;
            return Ok(Filled::default());
        }
        self.next(record)
    }

    fn end(&mut self) -> Result<(), SheetError> {
        let is_whole = self.place == self.table.survey.rows;
        if is_whole && self.are_used_up() { Ok(()) } else { Err(SheetError::changed()) }
    }
}

impl Rows<'_> {
    /// Whether every verdict of the current request was assigned to a row. If not, rows and verdicts no
    /// longer match, and none of the assignments is reliable.
    fn are_used_up(&self) -> bool {
        let left = self.verdicts.as_ref().and_then(|(_, verdicts)| verdicts.as_ref());
        left.is_none_or(|left| left.len() == 0)
    }

    fn next(&mut self, record: &Record) -> Result<Filled, SheetError> {
        let (place, no) = (self.place, number_of(self.place));
        self.place += 1;
        if self.verdicts.as_ref().is_none_or(|(known, _)| *known != no) {
            if !self.are_used_up() {
                return Err(SheetError::changed());
            }
            let verdicts = self.journal.verdicts(no).map_err(|e| SheetError::other(&e))?;
            self.verdicts = Some((no, verdicts.map(Vec::into_iter)));
        }
        let Table { layout, survey, now, repeats_unknown, .. } = self.table;
        if survey.is_total(place) {
            self.tally.totals += 1;
            return Ok(beside(RowVerdict::Total, "", "", ""));
        }
        if !survey.is_good(place) {
            // A row that the earlier result held back keeps its outcome until somebody edits it.
            let state = layout.row_state(record);
            if let Some(problem) = state_problem(state, *repeats_unknown) {
                self.tally.bad += 1;
                self.count(&localized_problem(&problem));
                let code = if state == RowState::Uncertain { UNCERTAIN_ROW } else { "INVALID_ROW" };
                return Ok(Filled { values: None, listed: vec![self.listed(record, &problem, code)] });
            }
            if survey.is_later(place) && layout.document(record, *now).is_ok() {
                self.tally.unsent += 1;
                return Ok(beside(RowVerdict::NotYet, "", "", ""));
            }
            let problems = problems(layout, record, *now);
            self.tally.bad += 1;
            let shown = problems.iter().map(localized_problem).collect::<Vec<_>>().join("; ");
            self.count(&shown);
            let code = if layout.is_uncertain(record) { UNCERTAIN_ROW } else { "INVALID_ROW" };
            let listed = problems.iter().map(|problem| self.listed(record, problem, code)).collect();
            return Ok(Filled { listed, ..beside(RowVerdict::NotSent, "", code, &shown) });
        }
        let answered = self.verdicts.as_mut().and_then(|(_, verdicts)| verdicts.as_mut());
        let is_answered = answered.is_some();
        let Some(verdict) = answered.and_then(Iterator::next) else {
            if is_answered {
                return Err(SheetError::changed());
            }
            return Ok(if self.journal.begun().contains(&no) {
                self.tally.unknown += 1;
                let why = localized(
                    "보냈으나 응답을 받지 못해 접수되었는지 알 수 없습니다",
                    "was sent, but not answered: it is not known whether it was accepted",
                );
                beside(RowVerdict::Unknown, "", "", &why)
            } else {
                self.tally.unsent += 1;
                beside(RowVerdict::NotYet, "", "", "")
            });
        };
        if let Some(id) = verdict.id {
            self.tally.accepted += 1;
            return Ok(beside(RowVerdict::Accepted, &id, "", ""));
        }
        self.tally.refused += 1;
        let code = verdict.code.unwrap_or_default();
        let message = for_clerks(&verdict.message.unwrap_or_default(), language());
        self.count(&format!("{code} {message}"));
        let problem = Problem::of_row(Text::made(message.clone(), message.clone()));
        let listed = vec![self.listed(record, &problem, &code)];
        Ok(Filled { listed, ..beside(RowVerdict::Refused, "", &code, &message) })
    }

    /// A row of the table of corrections.
    fn listed(&self, record: &Record, problem: &Problem, code: &str) -> Vec<Cell> {
        let cell = self.table.layout.cell_of(record, problem).unwrap_or_default();
        let subject = problem.subject(language()).unwrap_or_default();
        let text = problem.text.in_lang(language());
        #[allow(clippy::cast_precision_loss, reason = "a row's number")]
        let row = Cell::Number(record.row as f64);
        vec![row, Cell::text(subject), Cell::text(cell), Cell::text(code), Cell::text(text)]
    }

    fn count(&mut self, reason: &str) {
        let reasons = &mut self.tally.reasons;
        let others = localized("그 밖의 사유", "other reasons");
        let reason =
            if reasons.contains_key(reason) || reasons.len() < REASONS_MAX { reason } else { &others };
        *reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

/// The values beside a row.
fn beside(verdict: RowVerdict, id: &str, code: &str, message: &str) -> Filled {
    let values = [verdict.name(language()), id, code, message].map(Cell::text).to_vec();
    Filled { values: Some(values), listed: Vec::new() }
}

/// A problem in the user's language.
pub(super) fn localized_problem(problem: &Problem) -> String {
    let text = problem.text.in_lang(language());
    let cell = problem.cell.as_ref().map(|cell| format!(" {cell}")).unwrap_or_default();
    problem.subject(language()).map_or_else(|| text.to_owned(), |subject| format!("[{subject}]{cell} {text}"))
}
