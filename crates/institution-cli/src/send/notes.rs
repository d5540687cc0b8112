//! Messages about a send: how the file was interpreted, and the outcome.

use seoham_kit::sending::SendingError;
use seoham_sheets::{Format, Layout, Member, Repair, Sheet};
use serde_json::json;

use super::args::SendArgs;
use super::result::Tally;
use super::survey::Survey;
use super::{Job, of_journal};
use crate::platform::why;
use crate::terminal::{complain, language, localized, say};

/// Reports how the file was interpreted.
pub(super) fn describe(args: &SendArgs, sheet: &Sheet, layout: &Layout) {
    if args.json {
        return;
    }
    let form = match sheet.format() {
        Format::Csv { encoding, .. } => format!("CSV, {}", encoding.name()),
        Format::Xlsx { sheet, others: 0 } => format!("XLSX, {sheet}"),
        Format::Xlsx { sheet, others } => localized(
            &format!("XLSX, '{sheet}' 시트(다른 시트 {others}개는 보내지 않습니다)"),
            &format!("XLSX, sheet {sheet:?} ({others} other sheets are not sent)"),
        ),
        Format::JsonLines => "JSON Lines".to_owned(),
    };
    complain(&format!("{}: {form}", sheet.path().display()));
    let columns: Vec<String> = layout
        .described()
        .into_iter()
        .filter_map(|(member, column)| column.map(|column| format!("{column} → {}", named(member))))
        .collect();
    if !columns.is_empty() {
        complain(&columns.join(", "));
    }
    let unused = layout.unused().join(", ");
    if !unused.is_empty() {
        complain(&localized(&format!("쓰지 않는 열: {unused}"), &format!("columns not used: {unused}")));
    }
    if layout.numbers_rows() {
        complain(&localized(
            "문서번호 열이 없어 행 번호로 문서번호를 만듭니다(ROW-…-2, ROW-…-3, …)",
            "there is no column of external ids: they are made of the rows' numbers (ROW-…-2, ROW-…-3, …)",
        ));
    }
}

/// A member's name in the user's language.
fn named(member: Member) -> String {
    localized(member.korean(), member.path())
}

/// Reports the corrections and their numbers, and anything that a user who looks at the file may not expect.
pub(super) fn say_repairs(survey: &Survey) {
    if survey.hidden_rows > 0 {
        let rows = survey.hidden_rows;
        complain(&localized(
            &format!("숨기거나 필터로 가린 행 {rows}개도 보냅니다"),
            &format!("{rows} rows that are hidden or filtered out are sent, too"),
        ));
    }
    if survey.done_rows > 0 {
        let rows = survey.done_rows;
        complain(&localized(
            &format!("이미 접수된 행 {rows}개는 보내지 않습니다"),
            &format!("{rows} rows that were accepted already are not sent"),
        ));
    }
    if survey.alike_rows > 0 {
        let rows = survey.alike_rows;
        complain(&localized(
            &format!(
                "받는 사람과 내용이 앞의 행과 똑같은 행이 {rows}개 있습니다. 문서번호가 없어 모두 보냅니다"
            ),
            &format!(
                "{rows} rows say the same to the same receiver as an earlier one; without ids all of them are sent"
            ),
        ));
    }
    if survey.totals > 0 {
        let rows = survey.totals;
        complain(&localized(
            &format!("끝에 있는 합계 행 {rows}개는 보내지 않습니다"),
            &format!("{rows} rows of totals at the end are not sent"),
        ));
    }
    for (repair, count) in Repair::ALL.iter().zip(survey.repairs).filter(|(_, count)| *count > 0) {
        let text = repair.text();
        let text = text.in_lang(language());
        complain(&localized(&format!("{text}: {count}행"), &format!("{text}: {count} rows")));
    }
}

/// The outcome of a job, for people.
pub(super) fn say_result(job: &Job, tally: &Tally, finished: bool, trouble: Option<&str>) {
    let Tally { accepted, refused, bad, unknown, unsent, .. } = tally;
    let rows = job.table.survey.rows - tally.totals - tally.done;
    say(&localized(
        &format!(
            "{rows}행: 접수 {accepted}, 거절 {refused}, 보낼 수 없는 행 {bad}, 확인 필요 {unknown}, 미발송 {unsent}"
        ),
        &format!(
            "{rows} rows: {accepted} accepted, {refused} refused, {bad} that cannot be sent, {unknown} unknown, {unsent} unsent"
        ),
    ));
    for (reason, count) in &tally.reasons {
        say(&format!("  {count:>8}  {reason}"));
    }
    let result = job.result.display();
    say(&localized(&format!("결과 파일: {result}"), &format!("result: {result}")));
    if let Some(trouble) = trouble {
        complain(&format!("seoham: {trouble}"));
    }
    if finished && *unsent > 0 {
        complain(&localized(
            &format!("나머지 {unsent}행을 보내려면: seoham send --rest {result}"),
            &format!("to send the other {unsent} rows: seoham send --rest {result}"),
        ));
    }
    if !finished {
        let file = job.table.sheet.path().display();
        complain(&localized(
            &format!("끝나지 않았습니다. 이어서 보내려면: seoham send --resume {file}"),
            &format!("not finished; to go on: seoham send --resume {file}"),
        ));
    }
}

/// The outcome of a job, as JSON.
pub(super) fn say_result_json(job: &Job, tally: &Tally, finished: bool, trouble: Option<&str>) {
    let line = json!({
        "event": if finished { "finished" } else { "unfinished" },
        "rows": job.table.survey.rows - tally.totals - tally.done, "accepted": tally.accepted, "refused": tally.refused,
        "bad": tally.bad, "unknown": tally.unknown, "unsent": tally.unsent,
        "reasons": tally.reasons, "result": job.result, "trouble": trouble,
    });
    say(&line.to_string());
}

/// Why a run failed, for people.
pub(super) fn trouble(error: &SendingError) -> String {
    match error {
        SendingError::Refused(error) => {
            let (ko, en) = why(error);
            localized(
                &format!("서버가 요청을 거절했습니다: {ko}"),
                &format!("the platform refuses the requests: {en}"),
            )
        }
        SendingError::GaveUp(error) => {
            let (ko, en) = why(error);
            localized(
                &format!("한동안 아무것도 접수되지 않아 멈춥니다. 마지막 오류: {ko}"),
                &format!("nothing succeeded for a while; the last failure: {en}"),
            )
        }
        SendingError::Journal(error) => of_journal(error).text().in_lang(language()).to_owned(),
    }
}
