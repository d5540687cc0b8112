//! The first pass: counts the rows, and finds those that cannot be sent, and why.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::ControlFlow;

use fixedbitset::FixedBitSet;
use seoham_kit::sending::job::sha256_of_bytes;
use seoham_model::bulk::ITEMS_MAX;
use seoham_model::{Text, UnixSeconds};
use seoham_sheets::{Good, Layout, Problem, Record, Repair, RowState, Sheet, SheetError};

/// The survey of a file.
#[derive(Default)]
pub(super) struct Survey {
    /// Rows of data.
    pub(super) rows: u64,
    /// Rows that cannot be sent, by their place.
    bad: FixedBitSet,
    pub(super) bad_rows: u64,
    /// Valid rows that are left for later (`--first`).
    pub(super) later_rows: u64,
    /// The place from which rows are left for later.
    later_from: Option<u64>,
    /// Rows that were accepted earlier, by their document ids.
    pub(super) done_rows: u64,
    /// The identity across files of each row to send, by its place.
    pub(super) identities: Vec<Option<u64>>,
    /// The identities of rows that were or may have been accepted earlier, in a table without its own ids.
    pub(super) accounted: Vec<u64>,
    /// Rows of such a table with the same content and receiver as an earlier row.
    pub(super) alike_rows: u64,
    /// Total rows at the end, which are skipped.
    pub(super) totals: u64,
    /// Rows that are hidden in the spreadsheet.
    pub(super) hidden_rows: u64,
    /// How often each repair was made.
    pub(super) repairs: [u64; Repair::ALL.len()],
}

/// The options of a survey.
pub(super) struct SurveyOptions<'a> {
    /// Computes the identity of a row across files.
    pub(super) identify: &'a (dyn Fn(&Good) -> u64 + Sync),
    /// Rows of a result with an unknown outcome are sent again.
    pub(super) repeats_unknown: bool,
}

/// The maximum number of total rows at the end; more are not treated as totals.
const TOTALS_MAX: usize = 20;

/// The place of a row as a set index; it always fits, because the number of rows is limited.
fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Adds a row to a set; returns whether it is new.
fn insert(set: &mut FixedBitSet, place: u64) -> bool {
    set.grow(index(place) + 1);
    !set.put(index(place))
}

impl Survey {
    /// Reads the whole file; calls `report` for every problem, with the row's number.
    pub(super) fn make(
        sheet: &Sheet,
        layout: &Layout,
        now: UnixSeconds,
        options: &SurveyOptions<'_>,
        report: &mut dyn FnMut(u64, &[Problem]),
    ) -> Result<Self, SheetError> {
        let mut survey = Self::default();
        // The first occurrence of each id. Ids are represented by 64-bit hashes with a secret seed.
        let mut ids: HashMap<u64, (u64, u64)> = HashMap::new();
        let seed = RandomState::new();
        let mut totals: Vec<(u64, Vec<Problem>)> = Vec::new();
        let mut known: HashSet<u64> = HashSet::new();
        sheet.read(&mut |record| {
            let place = survey.rows;
            survey.rows += 1;
            survey.hidden_rows += u64::from(record.is_hidden);
            survey.identities.push(None);
            let state = layout.row_state(&record);
            match state {
                RowState::Accepted => {
                    insert(&mut survey.bad, place);
                    survey.done_rows += 1;
                    if !layout.has_own_ids() {
                        survey
                            .accounted
                            .extend(layout.document(&record, now).ok().map(|g| (options.identify)(&g)));
                    }
                    survey.not_at_the_end(&mut totals, report);
                    return ControlFlow::Continue(());
                }
                _ => {
                    if let Some(problem) = state_problem(state, options.repeats_unknown) {
                        survey.not_at_the_end(&mut totals, report);
                        survey.mark(place);
                        report(record.row, &[problem]);
                        return ControlFlow::Continue(());
                    }
                }
            }
            let document = layout.document(&record, now);
            if let Err(problems) = &document
                && totals.len() < TOTALS_MAX
                && layout.is_total(&record)
            {
                insert(&mut survey.bad, place);
                totals.push((record.row, problems.clone()));
                return ControlFlow::Continue(());
            }
            survey.not_at_the_end(&mut totals, report);
            match document {
                Ok(good) => {
                    let identity = (options.identify)(&good);
                    if let Some(last) = survey.identities.last_mut() {
                        *last = Some(identity);
                    }
                    if !layout.has_own_ids() {
                        survey.alike_rows += u64::from(!known.insert(identity));
                    }
                    if state == RowState::Unknown {
                        survey.accounted.push(identity);
                    }
                    for repair in good.repairs {
                        let counted = Repair::ALL.iter().position(|known| *known == repair).unwrap_or(0);
                        survey.repairs[counted] += 1;
                    }
                    match ids.entry(seed.hash_one(&good.external_document_uuid)) {
                        Entry::Vacant(free) => {
                            free.insert((place, record.row));
                        }
                        Entry::Occupied(first) => {
                            let (first_place, first_row) = *first.get();
                            if survey.mark(first_place) {
                                report(first_row, &[repeated()]);
                            }
                            survey.mark(place);
                            report(record.row, &[repeated()]);
                        }
                    }
                }
                Err(problems) => {
                    survey.mark(place);
                    report(record.row, &problems);
                }
            }
            ControlFlow::Continue(())
        })?;
        survey.totals = totals.len() as u64;
        Ok(survey)
    }

    /// The number of rows to send.
    pub(super) fn to_send(&self) -> u64 {
        self.rows - self.bad_rows - self.totals - self.done_rows - self.later_rows
    }

    /// Leaves all but the first `most` valid rows for later.
    pub(super) fn leave_all_but(&mut self, most: u64) {
        let mut sent = 0;
        for place in 0..self.rows {
            if !self.is_good(place) {
                continue;
            }
            if sent < most {
                sent += 1;
            } else {
                self.later_from.get_or_insert(place);
                insert(&mut self.bad, place);
                self.later_rows += 1;
                if let Some(known) =
                    usize::try_from(place).ok().and_then(|place| self.identities.get_mut(place))
                {
                    *known = None;
                }
            }
        }
    }

    /// Whether a row comes after the rows that are sent now.
    pub(super) fn is_later(&self, place: u64) -> bool {
        self.later_from.is_some_and(|from| place >= from)
    }

    /// Whether a row is a total row at the end.
    pub(super) fn is_total(&self, place: u64) -> bool {
        place >= self.rows - self.totals
    }

    /// Treats totals that are not at the end as ordinary rows.
    fn not_at_the_end(
        &mut self,
        totals: &mut Vec<(u64, Vec<Problem>)>,
        report: &mut dyn FnMut(u64, &[Problem]),
    ) {
        for (row, problems) in totals.drain(..) {
            self.bad_rows += 1;
            report(row, &problems);
        }
    }

    fn mark(&mut self, place: u64) -> bool {
        let new = insert(&mut self.bad, place);
        self.bad_rows += u64::from(new);
        new
    }

    /// A digest of the selected rows: a resumed job must select the rows that it started with.
    pub(super) fn selection(&self) -> String {
        let mut bytes: Vec<u8> = self.bad.as_slice().iter().flat_map(|block| block.to_le_bytes()).collect();
        // In words of 64 rows.
        bytes.resize(index(self.rows.div_ceil(64) * 8), 0);
        sha256_of_bytes(&bytes)
    }

    /// The places of a request's rows to send.
    pub(super) fn sent_of(&self, no: u32) -> impl Iterator<Item = u64> + '_ {
        let first = u64::from(no) * ITEMS_MAX as u64;
        (first..(first + ITEMS_MAX as u64).min(self.rows)).filter(|place| self.is_good(*place))
    }

    /// Whether a row is sent.
    pub(super) fn is_good(&self, place: u64) -> bool {
        !self.bad.contains(index(place))
    }
}

/// Why a row cannot be sent, according to its content.
pub(super) fn problems(layout: &Layout, record: &Record, now: UnixSeconds) -> Vec<Problem> {
    layout.document(record, now).err().unwrap_or_else(|| vec![repeated()])
}

/// Why a row of a result is not sent, according to its result columns.
pub(super) fn state_problem(state: RowState, repeats_unknown: bool) -> Option<Problem> {
    match state {
        RowState::Unknown if !repeats_unknown => Some(Problem::of_row(Text::fixed(
            "접수되었는지 알 수 없는 행입니다. 기관의 접수 내역을 확인한 뒤 문서함 번호를 적거나 --unknown send로 다시 보내 주십시오",
            "it is not known whether it was accepted; ask the platform, then enter the document's id or send it with --unknown send",
        ))),
        RowState::Uncertain => Some(Problem::of_row(Text::fixed(
            "값이 제자리에 있는지 확실하지 않았던 행입니다. 행을 확인하여 고친 다음 '오류 코드' 칸을 비워 주십시오",
            "it was not certain that its values stand where they belong; correct the row, then clear its error_code",
        ))),
        RowState::Unreadable => Some(Problem::of_row(Text::fixed(
            "문서함 번호 칸에 다른 값이 있습니다. 비우거나 BIN-으로 시작하는 번호를 적어 주십시오",
            "has something else where its document's id stands; clear it, or enter an id, BIN-…",
        ))),
        _ => None,
    }
}

/// Its id occurs more than once in the file, so that results would be ambiguous.
fn repeated() -> Problem {
    Problem::of_row(Text::fixed(
        "같은 문서번호가 파일 안에 또 있습니다",
        "its external_document_uuid stands in the file more than once",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_kept() {
        let mut set = FixedBitSet::default();
        assert!(insert(&mut set, 0) && insert(&mut set, 200) && !insert(&mut set, 200));
        assert!(set.contains(0) && set.contains(200) && !set.contains(1) && !set.contains(100_000));
        let survey = Survey { rows: 250, bad: set, ..Survey::default() };
        assert_eq!(survey.sent_of(2).collect::<Vec<_>>(), (201..250).collect::<Vec<_>>());
        let other = Survey { rows: 250, ..Survey::default() };
        assert_ne!(survey.selection(), other.selection());
        // An older journal can only be resumed if the digest of its rows is the same.
        let words: [u64; 4] = [1, 0, 0, 1 << (200 % 64)];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(survey.selection(), sha256_of_bytes(&bytes));
    }
}
