//! The first reading: how many rows there are, which of them cannot be sent, and why.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::ops::ControlFlow;

use seoham_model::{Text, UnixSeconds};
use seoham_sheets::{Layout, Problem, Record, Repair, Sheet, SheetError};

/// What a file comes to.
#[derive(Default)]
pub(super) struct Survey {
    /// Rows of data.
    pub(super) rows: u64,
    /// Rows that are not sent, by their place.
    bad: Bits,
    pub(super) bad_rows: u64,
    /// Rows at the end that are totals: they are passed over.
    pub(super) totals: u64,
    /// Rows that a person does not see who opens the file.
    pub(super) hidden_rows: u64,
    /// How often each repair was made.
    pub(super) repairs: [u64; Repair::ALL.len()],
}

/// Totals at the end, at most; a list of more is none.
const TOTALS_MAX: usize = 20;

/// One bit for each row.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Sets a bit; whether it was not set before.
    fn set(&mut self, place: u64) -> bool {
        let (word, bit) = (usize::try_from(place / 64).unwrap_or(usize::MAX), 1 << (place % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    fn get(&self, place: u64) -> bool {
        let word = usize::try_from(place / 64).unwrap_or(usize::MAX);
        self.0.get(word).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }
}

impl Survey {
    /// Reads all of a file; `tell` hears of every problem, by the row's number.
    pub(super) fn make(
        sheet: &Sheet,
        layout: &Layout,
        now: UnixSeconds,
        tell: &mut dyn FnMut(u64, &[Problem]),
    ) -> Result<Self, SheetError> {
        let mut survey = Self::default();
        // Where an id stood first. Ids are known by 64 bits of a hash with a secret seed.
        let mut ids: HashMap<u64, (u64, u64)> = HashMap::new();
        let seed = RandomState::new();
        let mut totals: Vec<(u64, u64, Vec<Problem>)> = Vec::new();
        sheet.read(&mut |record| {
            let place = survey.rows;
            survey.rows += 1;
            survey.hidden_rows += u64::from(record.is_hidden);
            let document = layout.document(&record, now);
            if let Err(problems) = &document
                && totals.len() < TOTALS_MAX
                && layout.is_total(&record)
            {
                survey.bad.set(place);
                totals.push((place, record.row, problems.clone()));
                return ControlFlow::Continue(());
            }
            // What is not at the end is a row like others.
            for (_, row, problems) in totals.drain(..) {
                survey.bad_rows += 1;
                tell(row, &problems);
            }
            match document {
                Ok(good) => {
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
                                tell(first_row, &[repeated(Some(record.row))]);
                            }
                            survey.mark(place);
                            tell(record.row, &[repeated(Some(first_row))]);
                        }
                    }
                }
                Err(problems) => {
                    survey.mark(place);
                    tell(record.row, &problems);
                }
            }
            ControlFlow::Continue(())
        })?;
        survey.totals = totals.len() as u64;
        Ok(survey)
    }

    /// Whether a row is a total at the end.
    pub(super) fn is_total(&self, place: u64) -> bool {
        place >= self.rows - self.totals
    }

    fn mark(&mut self, place: u64) -> bool {
        let new = self.bad.set(place);
        self.bad_rows += u64::from(new);
        new
    }

    /// Whether a row is sent.
    pub(super) fn is_good(&self, place: u64) -> bool {
        !self.bad.get(place)
    }
}

/// Why a row is not sent.
pub(super) fn problems(layout: &Layout, record: &Record, now: UnixSeconds) -> Vec<Problem> {
    layout.document(record, now).err().unwrap_or_else(|| vec![repeated(None)])
}

/// Its id stands in the file more than once: no result could be told apart.
fn repeated(other: Option<u64>) -> Problem {
    let text = match other {
        Some(row) => Text::made(
            format!("문서번호가 {row}행과 같습니다"),
            format!("has the same external_document_uuid as row {row}"),
        ),
        None => Text::fixed(
            "같은 문서번호가 파일 안에 또 있습니다",
            "its external_document_uuid stands in the file more than once",
        ),
    };
    Problem::of_row(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_kept() {
        let mut bits = Bits::default();
        assert!(bits.set(0) && bits.set(200) && !bits.set(200));
        assert!(bits.get(0) && bits.get(200) && !bits.get(1) && !bits.get(100_000));
    }
}
