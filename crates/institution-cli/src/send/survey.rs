//! The first reading: how many rows there are, which of them cannot be sent, and why.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::ControlFlow;

use fixedbitset::FixedBitSet;
use seoham_kit::sending::job::sha256_of_bytes;
use seoham_model::bulk::ITEMS_MAX;
use seoham_model::{Text, UnixSeconds};
use seoham_sheets::{Good, Layout, Problem, Record, Repair, RowState, Sheet, SheetError};

/// What a file comes to.
#[derive(Default)]
pub(super) struct Survey {
    /// Rows of data.
    pub(super) rows: u64,
    /// Rows that are not sent, by their place.
    bad: FixedBitSet,
    pub(super) bad_rows: u64,
    /// Rows that could be sent and are left for later (`--first`).
    pub(super) later_rows: u64,
    /// The place from which on rows are left.
    later_from: Option<u64>,
    /// Rows that were accepted before, by the ids that stand in them.
    pub(super) done_rows: u64,
    /// What each row that is sent is known by across files, by its place.
    pub(super) identities: Vec<Option<u64>>,
    /// What rows of a table without ids of its own are known by that were accepted before, or may have been.
    pub(super) accounted: Vec<u64>,
    /// Rows of such a table that say the same to the same receiver as an earlier one.
    pub(super) alike_rows: u64,
    /// Rows at the end that are totals: they are passed over.
    pub(super) totals: u64,
    /// Rows that a person does not see who opens the file.
    pub(super) hidden_rows: u64,
    /// How often each repair was made.
    pub(super) repairs: [u64; Repair::ALL.len()],
}

/// How a file is surveyed.
pub(super) struct SurveyOptions<'a> {
    /// What a row is known by across files.
    pub(super) identify: &'a (dyn Fn(&Good) -> u64 + Sync),
    /// Rows of a result of which it is not known whether they were accepted are sent again.
    pub(super) repeats_unknown: bool,
}

/// Totals at the end, at most; a list of more is none.
const TOTALS_MAX: usize = 20;

/// The place of a row in a set; a file has far fewer rows than there are numbers.
fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Adds a row to a set; whether it was not there before.
fn insert(set: &mut FixedBitSet, place: u64) -> bool {
    set.grow(index(place) + 1);
    !set.put(index(place))
}

impl Survey {
    /// Reads all of a file; `report` hears of every problem, by the row's number.
    pub(super) fn make(
        sheet: &Sheet,
        layout: &Layout,
        now: UnixSeconds,
        options: &SurveyOptions<'_>,
        report: &mut dyn FnMut(u64, &[Problem]),
    ) -> Result<Self, SheetError> {
        let mut survey = Self::default();
        // Where an id stood first. Ids are known by 64 bits of a hash with a secret seed.
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

    /// Rows that are sent.
    pub(super) fn to_send(&self) -> u64 {
        self.rows - self.bad_rows - self.totals - self.done_rows - self.later_rows
    }

    /// Leaves all rows but the first `most` that can be sent for later.
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

    /// Whether a row comes after those that are sent now.
    pub(super) fn is_later(&self, place: u64) -> bool {
        self.later_from.is_some_and(|from| place >= from)
    }

    /// Whether a row is a total at the end.
    pub(super) fn is_total(&self, place: u64) -> bool {
        place >= self.rows - self.totals
    }

    /// Totals that are not at the end are rows like others.
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

    /// Which rows are sent, as a digest: a job that goes on must choose the rows that it began with.
    pub(super) fn selection(&self) -> String {
        let mut bytes: Vec<u8> = self.bad.as_slice().iter().flat_map(|block| block.to_le_bytes()).collect();
        // In words of 64 rows.
        bytes.resize(index(self.rows.div_ceil(64) * 8), 0);
        sha256_of_bytes(&bytes)
    }

    /// The places of the rows of a request that are sent.
    pub(super) fn sent_of(&self, no: u32) -> impl Iterator<Item = u64> + '_ {
        let first = u64::from(no) * ITEMS_MAX as u64;
        (first..(first + ITEMS_MAX as u64).min(self.rows)).filter(|place| self.is_good(*place))
    }

    /// Whether a row is sent.
    pub(super) fn is_good(&self, place: u64) -> bool {
        !self.bad.contains(index(place))
    }
}

/// Why a row is not sent, by what it says itself.
pub(super) fn problems(layout: &Layout, record: &Record, now: UnixSeconds) -> Vec<Problem> {
    layout.document(record, now).err().unwrap_or_else(|| vec![repeated()])
}

/// Why a row of a result is not sent, by what stands in its columns.
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

/// Its id stands in the file more than once: no result could be told apart.
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
        // A journal of before goes on only if the digest of its rows is the same.
        let words: [u64; 4] = [1, 0, 0, 1 << (200 % 64)];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(survey.selection(), sha256_of_bytes(&bytes));
    }
}
