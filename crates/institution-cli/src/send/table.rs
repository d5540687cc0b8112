//! A surveyed file.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use seoham_kit::sending::job::sha256_of;
use seoham_model::UnixSeconds;
use seoham_sheets::{Layout, Problem, Sheet, SheetError};

use super::of_sheet;
use super::survey::{Survey, SurveyOptions};
use crate::reading;
use crate::terminal::{Failure, Outcome, localized, spinner};

/// A file and its survey.
pub(super) struct Table {
    pub(super) sheet: Sheet,
    pub(super) layout: Layout,
    pub(super) survey: Survey,
    /// The reference time for deadlines and birthdays: the start of the job.
    pub(super) now: UnixSeconds,
    /// Rows of a result with an unknown outcome are sent again.
    pub(super) repeats_unknown: bool,
    /// The file's stamp at the time of the survey.
    stamp: Option<Stamp>,
}

/// A file's length and modification time, for detecting changes.
type Stamp = (u64, SystemTime);

fn stamp_of(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

impl Table {
    /// Surveys a whole file, and computes its SHA-256.
    pub(super) fn look_at(
        file: &Path,
        (sheet, layout): (Sheet, Layout),
        now: UnixSeconds,
        options: &SurveyOptions<'_>,
        report: &mut (dyn FnMut(u64, &[Problem]) + Send),
    ) -> Outcome<(Self, String)> {
        let stamp = stamp_of(file);
        let spinner = spinner(&localized("파일을 검사하고 있습니다", "looking at the file"));
        let survey =
            reading(|| Survey::make(&sheet, &layout, now, options, report)).map_err(|e| of_sheet(&e))?;
        spinner.finish_and_clear();
        if survey.rows == survey.totals {
            return Err(Failure::usage("보낼 행이 없습니다", "there is no row to send"));
        }
        if survey.rows == survey.totals + survey.done_rows {
            return Err(Failure::usage(
                "모든 행이 이미 접수되었습니다. 보낼 것이 없습니다",
                "every row was accepted already: there is nothing to send",
            ));
        }
        let sha256 = sha256_of(file).map_err(|error| Failure::of_file(file, &error, Failure::Usage))?;
        let repeats_unknown = options.repeats_unknown;
        Ok((Self { sheet, layout, survey, now, repeats_unknown, stamp }, sha256))
    }

    /// The row number of a place.
    pub(super) fn row_at(&self, place: u64) -> Result<u64, SheetError> {
        let (mut at, mut row) = (0, 0);
        self.sheet.read(&mut |record| {
            row = record.row;
            at += 1;
            if at > place { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(row)
    }

    /// The second and third pass must find the same rows as the first one, because verdicts are assigned to
    /// rows by place.
    pub(super) fn refuse_if_changed(&self) -> Result<(), SheetError> {
        if stamp_of(self.sheet.path()) == self.stamp { Ok(()) } else { Err(SheetError::changed()) }
    }
}
