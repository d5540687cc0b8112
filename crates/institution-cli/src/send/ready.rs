//! Prepares a job: starts a new one, or resumes one from its journal.

use std::sync::Arc;
use std::time::Duration;

use seoham_kit::sending;
use seoham_kit::sending::job::{Head, new_job_name};
use seoham_kit::sending::journal::Journal;
use seoham_model::{Clock, UnixSeconds};
use seoham_sheets::{Good, Layout, Problem, Sheet};

use super::accepted_rows::{keep_what_may_be_accepted, unanswered};
use super::args::{SendArgs, Unknown};
use super::confirm::confirm;
use super::former::{
    keep_the_former, of_ledger, refuse_blind_repetition, refuse_what_is_there, refuse_what_was_accepted,
    settings_of_result,
};
use super::identity::IdentityKey;
use super::ledger::{Ledger, LedgerQuery};
use super::notes::{describe, say_repairs};
use super::problems::Problems;
use super::settings::Settings;
use super::source::Source;
use super::survey::{Survey, SurveyOptions};
use super::table::Table;
use super::{Job, of_journal, of_sheet};
use crate::columns;
use crate::platform::{PlatformArgs, stopped};
use crate::profile::Profile;
use crate::reading;
use crate::terminal::{Failure, Outcome, complain, localized};

/// Starts a job. All checks run before its journal is created.
pub(super) async fn begin(args: &SendArgs, source: &Source) -> Outcome<Job> {
    let (file, result) = (&source.file, &source.result);
    let settings = settings(args, source)?;
    let read = reading(|| settings.open(file)).map_err(|e| of_sheet(&e))?;
    describe(args, &read.0, &read.1);
    refuse_what_is_there(args, source)?;
    let profile = args.platform.resolve()?;
    let client = args.platform.client(&profile)?;
    let ledger = Ledger::of(&profile)?;
    let (now, job) = (Clock::default().now(), new_job_name());
    let mut found = Problems::new(false);
    let mut report = |row: u64, problems: &[Problem]| found.add(row, problems);
    let (table, sha256) = look_at(&settings, source, read, (&job, now), ledger.key, &mut report)?;
    refuse_what_was_accepted(args, &ledger, &asked(&table, &job), &table)?;
    if !args.json {
        for line in found.lines() {
            complain(&line);
        }
        say_repairs(&table.survey);
    }
    let known = client.capabilities().await.map_err(|error| stopped(&error))?;
    if !known.idempotency_key {
        complain(&localized(
            "이 서버는 Idempotency-Key를 모릅니다. 응답을 잃은 요청은 다시 보내지 않고 '확인 필요'로 남깁니다.",
            "this platform knows no Idempotency-Key: a request whose answer is lost is left as unknown, not sent again",
        ));
    }
    confirm(args, &table, &profile, &known)?;
    let settings = serde_json::to_value(&settings).unwrap_or_default();
    let Profile { url, bulk_url, contract_uuid, .. } = profile;
    let mut head = Head::new(sha256, table.survey.rows, url, contract_uuid, settings);
    (head.bulk_url, head.keyed, head.started_at) = (bulk_url, known.idempotency_key, now);
    (head.job, head.selection_sha256) = (job, Some(table.survey.selection()));
    // Another process may have started the same job during the confirmation.
    let begun_alone = ledger.lock().map_err(|error| of_ledger(&error))?;
    refuse_what_was_accepted(args, &ledger, &asked(&table, &head.job), &table)?;
    keep_the_former(source)?;
    let journal = Journal::create(&source.journal, head).map_err(|e| of_journal(&e))?;
    keep_what_may_be_accepted(&ledger, &table, &journal)?;
    drop(begun_alone);
    Ok(Job {
        table: Arc::new(table),
        journal,
        ledger,
        client,
        options: options(args),
        result: result.clone(),
        json: args.json,
        leaves_unknown: false,
    })
}

/// Resumes a job with its original settings.
pub(super) fn resume(args: &SendArgs, source: &Source) -> Outcome<Job> {
    if !Journal::is_there(&source.journal) {
        return Err(Failure::usage(
            format!("{}: 이어서 보낼 저널이 없습니다", source.journal.display()),
            format!("{}: there is no journal of a send to resume", source.journal.display()),
        ));
    }
    let journal = Journal::open(&source.journal).map_err(|e| of_journal(&e))?;
    let head = journal.head().clone();
    let settings: Settings = serde_json::from_value(head.settings.clone()).unwrap_or_default();
    let given = given(args, source)?;
    if !given.agrees_with(&settings) || (args.result.is_some() && given.result != settings.result) {
        return Err(Failure::usage(
            "--columns, --map, --set, --sheet, --encoding, --delimiter, --birth-century, --result는 처음 보낼 때와 같아야 합니다(생략하면 그대로 씁니다)",
            "--columns, --map, --set, --sheet, --encoding, --delimiter, --birth-century and --result must be as they were at first (leave them out to use those)",
        ));
    }
    let elsewhere = args.platform.url.as_ref().is_some_and(|url| *url != head.url)
        || args.platform.contract.as_ref().is_some_and(|contract| *contract != head.contract_uuid);
    if elsewhere {
        return Err(Failure::usage(
            "다른 서버나 계약으로는 이어서 보낼 수 없습니다. 처음 보낸 곳만 무엇이 접수되었는지 압니다",
            "a send is not resumed to another platform or contract: only the first one knows what it has accepted",
        ));
    }
    let platform = PlatformArgs {
        url: Some(head.url.clone()),
        bulk_url: head.bulk_url.clone(),
        contract: Some(head.contract_uuid.clone()),
        ..args.platform.clone()
    };
    let profile = platform.resolve()?;
    let client = platform.client(&profile)?;
    let ledger = Ledger::of(&profile)?;
    let read = reading(|| settings.open(&source.file)).map_err(|e| of_sheet(&e))?;
    // Evaluated as of the job's start: rows must not move from one request to another.
    let begun = (head.job.as_str(), head.started_at);
    let (table, sha256) = look_at(&settings, source, read, begun, ledger.key, &mut |_, _| {})?;
    if sha256 != head.source_sha256 || table.survey.rows != head.rows {
        return Err(Failure::usage(
            "파일이 처음 보낼 때와 다릅니다. 이어서 보내려면 같은 파일이어야 합니다",
            "the file is not what it was when the send was begun; resuming needs the very same file",
        ));
    }
    if head.selection_sha256.as_ref().is_some_and(|selection| *selection != table.survey.selection()) {
        return Err(Failure::usage(
            "이 프로그램은 처음 보낼 때와 다른 행을 고릅니다. 처음 보낸 버전의 seoham으로 이어서 보내 주십시오",
            "this program chooses other rows than the send was begun with; go on with the version that began it",
        ));
    }
    refuse_blind_repetition(args, &journal)?;
    let begun_alone = ledger.lock().map_err(|error| of_ledger(&error))?;
    let open = unanswered(&table, &journal);
    let others = LedgerQuery { identities: &open, since: head.started_at, ..asked(&table, &head.job) };
    refuse_what_was_accepted(args, &ledger, &others, &table)?;
    keep_what_may_be_accepted(&ledger, &table, &journal)?;
    drop(begun_alone);
    let result = settings.result.clone();
    let table = Arc::new(table);
    let leaves_unknown = args.unknown == Some(Unknown::Leave);
    Ok(Job {
        table,
        journal,
        ledger,
        client,
        options: options(args),
        result,
        json: args.json,
        leaves_unknown,
    })
}

/// The settings; for the rest of a send, those of that send.
pub(super) fn settings(args: &SendArgs, source: &Source) -> Outcome<Settings> {
    if args.unknown.is_some() && !args.resume && !args.rest {
        return Err(Failure::usage(
            "--unknown은 --resume이나 --rest와 함께 씁니다",
            "--unknown is for --resume and --rest",
        ));
    }
    let settings = given(args, source)?;
    if !args.rest {
        return Ok(settings);
    }
    Ok(match settings_of_result(&source.file)? {
        Some(before) => settings.completed_by(before),
        None => settings,
    })
}

/// The settings from the arguments and from the saved columns.
fn given(args: &SendArgs, source: &Source) -> Outcome<Settings> {
    let settings = Settings::of(args, source.result.clone());
    Ok(match &args.saved_columns {
        Some(name) => settings.with_columns(columns::settings(name)?),
        None => settings,
    })
}

/// The ledger query before a job starts.
fn asked<'a>(table: &'a Table, job: &'a str) -> LedgerQuery<'a> {
    let Survey { identities, accounted, .. } = &table.survey;
    LedgerQuery { identities, accounted, own_job: Some(job), since: UnixSeconds(0) }
}

fn look_at(
    settings: &Settings,
    source: &Source,
    (sheet, layout): (Sheet, Layout),
    (job, now): (&str, UnixSeconds),
    key: IdentityKey,
    report: &mut (dyn FnMut(u64, &[Problem]) + Send),
) -> Outcome<(Table, String)> {
    let layout = layout.with_job(job);
    let has_own_ids = layout.has_own_ids();
    let identify = |good: &Good| key.identity(good, has_own_ids);
    let options = SurveyOptions { identify: &identify, repeats_unknown: settings.repeats_unknown };
    let (mut table, sha256) = Table::look_at(&source.file, (sheet, layout), now, &options, report)?;
    if let Some(most) = settings.first {
        table.survey.leave_all_but(most);
    }
    Ok((table, sha256))
}

fn options(args: &SendArgs) -> sending::Options {
    sending::Options {
        at_once: usize::from(args.at_once),
        patience: Duration::from_secs(args.patience),
        repeat_unknown: args.unknown == Some(Unknown::Send),
    }
}
