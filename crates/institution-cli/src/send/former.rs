//! Files of an earlier send beside the input file, and checks that protect them.

use std::path::{Path, PathBuf};

use seoham_kit::sending::job::sha256_of;
use seoham_kit::sending::journal::Journal;
use seoham_model::clock::seoul_minutes;
use seoham_model::{Clock, UnixSeconds};

use super::args::SendArgs;
use super::ledger::{Before, Ledger, LedgerQuery};
use super::settings::Settings;
use super::source::Source;
use super::table::Table;
use super::{of_journal, of_sheet};
use crate::terminal::{Failure, Outcome};

/// The maximum number of directory entries searched for journals.
const FILES_MAX: usize = 10_000;

/// Prevents sending a file twice by mistake, and overwriting existing files.
pub(super) fn refuse_what_is_there(args: &SendArgs, source: &Source) -> Outcome<()> {
    if !Journal::is_there(&source.journal) {
        if source.result.exists() && !args.again {
            let shown = source.result.display();
            return Err(Failure::usage(
                format!("{shown}: 이미 있는 파일입니다. --result로 다른 이름을 정해 주십시오"),
                format!("{shown} is there already; give another --result"),
            ));
        }
        return Ok(());
    }
    let journal = Journal::open(&source.journal).map_err(|e| of_journal(&e))?;
    let shown = source.journal.display();
    if journal.finished().is_none() {
        return Err(Failure::usage(
            format!("이 파일의 발송이 끝나지 않았습니다({shown}). --resume 으로 이어서 보내 주십시오"),
            format!("a send of this file is not finished ({shown}); go on with --resume"),
        ));
    }
    if args.again {
        return Ok(());
    }
    let same = sha256_of(&source.file).is_ok_and(|sha256| sha256 == journal.head().source_sha256);
    // The result was corrected again. The ledger knows what the earlier `--rest` sent.
    if args.rest && !same {
        return Ok(());
    }
    Err(if same {
        Failure::usage(
            format!("이미 보낸 파일입니다({shown}). 모든 문서를 한 번 더 보내려면 --again"),
            format!("this file was sent already ({shown}); --again sends every document once more"),
        )
    } else {
        Failure::usage(
            format!(
                "같은 이름의 다른 파일을 이미 보냈습니다({shown}). 파일 이름을 바꾸거나, 이 파일을 보내고 지난 결과를 \
                 따로 남기려면 --again"
            ),
            format!(
                "another file of this name was sent already ({shown}); rename this one, or send it with --again, \
                 which keeps the former result beside it"
            ),
        )
    })
}

/// Moves the files of a finished send out of the way: they may be the only copy of its ids.
pub(super) fn keep_the_former(source: &Source) -> Outcome<()> {
    if !Journal::is_there(&source.journal) {
        return Ok(());
    }
    let journal = Journal::open(&source.journal).map_err(|e| of_journal(&e))?;
    let job = journal.head().job.clone();
    for file in [&source.journal, &source.result] {
        let kept = PathBuf::from(format!("{}.{job}", file.display()));
        if let Err(error) = std::fs::rename(file, &kept)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Failure::of_file(&kept, &error, Failure::Unfinished));
        }
    }
    Ok(())
}

/// The settings of the send whose result is `file`, from the journals in its directory; `None` if there is no
/// such journal. An unfinished send has no rest yet.
pub(super) fn settings_of_result(file: &Path) -> Outcome<Option<Settings>> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let directory = file.parent().unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(None) };
    let mut last: Option<(UnixSeconds, Settings)> = None;
    for entry in entries.flatten().take(FILES_MAX) {
        let path = entry.path();
        // A journal that was moved out of the way has the job's name as a suffix.
        if !entry.file_name().to_string_lossy().contains(".seoham-journal") {
            continue;
        }
        let head = Journal::head_of(&path);
        let settings =
            head.as_ref().and_then(|head| serde_json::from_value::<Settings>(head.settings.clone()).ok());
        let (Some(head), Some(settings)) = (head, settings) else { continue };
        if settings.result != file {
            continue;
        }
        let journal = Journal::open(&path).map_err(|e| of_journal(&e))?;
        if journal.finished().is_none() {
            let shown = path.display().to_string();
            let sent = shown.split(".seoham-journal").next().unwrap_or_default().to_owned();
            return Err(Failure::usage(
                format!(
                    "이 결과의 발송이 끝나지 않았습니다. 먼저 이어서 보내 주십시오: seoham send --resume {sent}"
                ),
                format!(
                    "the send of this result is not finished; go on with it first: seoham send --resume {sent}"
                ),
            ));
        }
        // If several jobs wrote this result, the last one counts.
        if last.as_ref().is_none_or(|(begun_at, _)| *begun_at < head.started_at) {
            last = Some((head.started_at, settings));
        }
    }
    Ok(last.map(|(_, settings)| settings))
}

/// Refuses rows that this profile has recently had accepted, or is sending, unless `--again` is set.
pub(super) fn refuse_what_was_accepted(
    args: &SendArgs,
    ledger: &Ledger,
    asked: &LedgerQuery<'_>,
    table: &Table,
) -> Outcome<()> {
    if args.again {
        return Ok(());
    }
    let before = ledger.before(asked, Clock::default().now()).map_err(|error| of_ledger(&error))?;
    let Some(Before { rows, first_place, sent_at }) = before else { return Ok(()) };
    let row = table.row_at(first_place).map_err(|e| of_sheet(&e))?;
    let day = seoul_minutes(sent_at);
    Err(Failure::usage(
        format!(
            "이미 접수되었거나 다른 발송이 보내고 있는 행이 {rows}개 있습니다(첫 행: {row}행, {day}에 발송). 접수되지 \
             않은 행만 보내려면 결과 파일을 고쳐 seoham send --rest 결과파일, 같은 문서를 한 번 더 보내려면 --again. 다른 \
             문서인데 문서번호가 매달 같다면 --set 문서번호='12월-{{{{열이름}}}}'처럼 겹치지 않게 정해 주십시오"
        ),
        format!(
            "{rows} rows were accepted before, or another send is under way with them (the first is row {row}, on \
             {day}); to send what was not accepted, correct the result and use seoham send --rest RESULT; to send \
             them once more, --again. If they are other documents whose ids are the same every month, make them \
             differ: --set external_document_uuid='12-{{{{COLUMN}}}}'"
        ),
    ))
}

/// A failure of the ledger.
pub(super) fn of_ledger(error: &std::io::Error) -> Failure {
    Failure::unfinished(format!("접수 기록: {error}"), format!("accepted rows: {error}"))
}

/// Unanswered requests can be repeated under their keys. Without keys the user must decide.
pub(super) fn refuse_blind_repetition(args: &SendArgs, journal: &Journal) -> Outcome<()> {
    let keys_tell = journal.head().keyed && journal.head().keys_last();
    let requests = journal.begun().len();
    if keys_tell || requests == 0 || args.unknown.is_some() {
        return Ok(());
    }
    let (why_ko, why_en) = if journal.head().keyed {
        (
            "발송을 시작한 지 7일이 지나 서버가 키를 잊었습니다",
            "the job is older than the 7 days that keys are remembered",
        )
    } else {
        ("이 서버는 Idempotency-Key를 모릅니다", "this platform knows no Idempotency-Key")
    };
    Err(Failure::unfinished(
        format!(
            "요청 {requests}개(100행 이하씩)는 보냈지만 응답을 받지 못했습니다. {why_ko}. 다시 보내면 같은 문서가 두 번 \
             접수될 수 있습니다. 기관의 접수 내역을 확인한 뒤 --unknown leave(남겨 두고 나머지만 보냄) 또는 \
             --unknown send(다시 보냄)를 골라 주십시오"
        ),
        format!(
            "{requests} requests of up to 100 rows were sent and not answered, and {why_en}: sent again they may be \
             accepted twice. Ask the platform what it has, then choose --unknown leave (send only the rest) or \
             --unknown send (send them again)"
        ),
    ))
}
