//! `seoham send --check`: lists every problem of a file and what the platform would refuse, without sending
//! anything.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use seoham_model::Clock;
use seoham_sheets::{Good, Problem};
use serde_json::json;

use super::args::SendArgs;
use super::dry_run::{Verdicts, dry_run, not_asked};
use super::identity::IdentityKey;
use super::notes::{describe, say_repairs};
use super::of_sheet;
use super::problems::Problems;
use super::settings::Settings;
use super::survey::SurveyOptions;
use super::table::Table;
use crate::platform::stopped;
use crate::reading;
use crate::terminal::{Outcome, SOME_REFUSED, complain, language, localized, say};

/// Reports problems one by one as JSON, or grouped by kind as text.
struct Reporter {
    json: bool,
    found: Problems,
}

impl Reporter {
    fn report(&mut self, event: &str, row: u64, problems: &[Problem]) {
        if !self.json {
            self.found.add(row, problems);
            return;
        }
        for problem in problems {
            let text = problem.text.in_lang(language());
            let line = json!({
                "event": event, "row": row, "column": problem.column, "cell": problem.cell, "message": text,
            });
            say(&line.to_string());
        }
    }

    fn lines(&mut self, all: bool) {
        for line in std::mem::replace(&mut self.found, Problems::new(all)).lines() {
            say(&line);
        }
    }
}

/// Reads everything and lists every problem; then queries the platform, unless `--offline` is set.
pub(super) async fn check(args: &SendArgs, file: &Path, settings: &Settings) -> Outcome {
    let (sheet, layout) = reading(|| settings.open(file)).map_err(|e| of_sheet(&e))?;
    describe(args, &sheet, &layout);
    let now = Clock::default().now();
    let mut reporter = Reporter { json: args.json, found: Problems::new(args.all) };
    // Compares the rows of this file only.
    let (key, has_own_ids) = (IdentityKey::of(IdentityKey::random()), layout.has_own_ids());
    let identify = |good: &Good| key.identity(good, has_own_ids);
    let options = SurveyOptions { identify: &identify, repeats_unknown: settings.repeats_unknown };
    let mut report = |row: u64, problems: &[Problem]| reporter.report("problem", row, problems);
    let (table, _) = Table::look_at(file, (sheet, layout), now, &options, &mut report)?;
    reporter.lines(args.all);
    let table = Arc::new(table);
    let survey = &table.survey;
    let (rows, bad) = (survey.rows - survey.totals - survey.done_rows, survey.bad_rows);
    if !args.json {
        say_repairs(survey);
    }
    let verdicts = ask(args, &table, &mut reporter).await?;
    reporter.lines(args.all);
    if args.json {
        let (accepted, refused) = verdicts
            .as_ref()
            .map_or((None, None), |verdicts| (Some(verdicts.accepted), Some(verdicts.refused)));
        let line = json!({
            "event": "checked", "rows": rows, "bad": bad, "would_be_accepted": accepted, "would_be_refused": refused,
        });
        say(&line.to_string());
    } else {
        say(&localized(
            &format!(
                "{rows}행 가운데 {}행을 보낼 수 있고 {bad}행은 고쳐야 합니다. 보낸 것은 없습니다.",
                rows - bad
            ),
            &format!("of {rows} rows {} can be sent and {bad} must be mended; nothing was sent", rows - bad),
        ));
        if let Some(Verdicts { accepted, refused }) = &verdicts {
            say(&localized(
                &format!("플랫폼의 답: {accepted}행은 접수되고 {refused}행은 거절됩니다(지금 보낼 경우)."),
                &format!(
                    "the platform would accept {accepted} rows and refuse {refused}, if they were sent now"
                ),
            ));
        }
    }
    let refused = verdicts.map_or(0, |verdicts| verdicts.refused);
    Ok(if bad + refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
}

/// The platform's verdicts; `None`, with a message, if it is not queried.
async fn ask(args: &SendArgs, table: &Arc<Table>, reporter: &mut Reporter) -> Outcome<Option<Verdicts>> {
    if args.offline || table.survey.to_send() == 0 {
        return Ok(None);
    }
    let profile = match args.platform.resolve() {
        Ok(profile) => profile,
        Err(why) => {
            complain(&not_asked(&why));
            return Ok(None);
        }
    };
    let client = args.platform.client(&profile)?;
    let known = client.capabilities().await.map_err(|error| stopped(&error))?;
    if !known.dry_run {
        complain(&localized(
            "이 서버는 시험 전송(Seoham-Dry-Run)을 몰라 받는 사람까지 확인하지는 못했습니다",
            "this platform knows no dry runs, so receivers were not checked",
        ));
        return Ok(None);
    }
    let mut report = |row: u64, problems: &[Problem]| reporter.report("would_be_refused", row, problems);
    dry_run(&client, table, args.at_once, &mut report).await.map(Some)
}
