//! `seoham send --check`: every problem of a file, and nothing sent.

use std::path::Path;
use std::process::ExitCode;

use seoham_model::Clock;
use seoham_sheets::Problem;
use serde_json::json;

use super::args::{SendArgs, Unknown};
use super::of_sheet;
use super::problems::Problems;
use super::settings::Settings;
use super::survey::{Survey, Surveying};
use super::telling::{describe, say_repairs};
use crate::cli::say;
use crate::institution::reading;
use crate::terminal::{Outcome, SOME_REFUSED, language, told};

/// Reads everything and lists every problem.
pub(super) fn check(args: &SendArgs, file: &Path, settings: &Settings) -> Outcome {
    let (sheet, layout) = reading(|| settings.open(file)).map_err(|e| of_sheet(&e))?;
    describe(args, &sheet, &layout);
    let now = Clock::default().now();
    let mut found = Problems::new(args.all);
    let mut tell = |row: u64, problems: &[Problem]| {
        if !args.json {
            found.add(row, problems);
            return;
        }
        for problem in problems {
            let text = problem.text.in_lang(language());
            let line = json!({
                "event": "problem", "row": row, "column": problem.column, "cell": problem.cell, "message": text,
            });
            say(&line.to_string());
        }
    };
    let how = Surveying { identify: &|_| 0, repeats_unknown: args.unknown == Some(Unknown::Send) };
    let survey = reading(|| Survey::make(&sheet, &layout, now, &how, &mut tell)).map_err(|e| of_sheet(&e))?;
    let (rows, bad) = (survey.rows - survey.totals - survey.done_rows, survey.bad_rows);
    if args.json {
        say(&json!({ "event": "checked", "rows": rows, "bad": bad }).to_string());
    } else {
        for line in found.lines() {
            say(&line);
        }
        say_repairs(&survey);
        say(&told(
            &format!(
                "{rows}행 가운데 {}행을 보낼 수 있고 {bad}행은 고쳐야 합니다. 보낸 것은 없습니다.",
                rows - bad
            ),
            &format!("of {rows} rows {} can be sent and {bad} must be mended; nothing was sent", rows - bad),
        ));
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}
