//! `seoham send`: a spreadsheet into document boxes, no row lost and none sent twice.
//!
//! The file is read three times, row by row: to see what it comes to, to send it, and to write the
//! result beside it. Between runs the journal beside the file knows what was answered.

mod args;
mod batches;
mod progress;
mod result;
mod source;
mod survey;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use seoham_kit::client::Client;
use seoham_kit::sending::journal::{Head, Journal, JournalError, sha256_of};
use seoham_kit::sending::{self, Ended, SendingError};
use seoham_model::{Clock, UnixSeconds};
use seoham_sheets::{Format, Layout, Member, Repair, Sheet, SheetError, SheetOptions};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::{complain, say};
use crate::institution::platform::{PlatformArgs, stopped, why};
use crate::institution::profile::Profile;
use crate::institution::{READER, quiet_readers, reading};
use crate::server::listeners::termination;
use crate::terminal::{Failure, Outcome, SOME_REFUSED, UNFINISHED, language, told};
pub(crate) use args::SendArgs;
use args::Unknown;
use progress::Shown;
use result::{Tally, told_of};
use source::Source;
use survey::Survey;

/// What makes rows documents; kept in the journal, since a job goes on the way it was begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Settings {
    maps: Vec<(String, String)>,
    sets: Vec<(String, String)>,
    sheet: Option<String>,
    result: PathBuf,
}

impl Settings {
    fn of(args: &SendArgs, result: PathBuf) -> Self {
        let named = |pairs: &[(Member, String)]| {
            pairs.iter().map(|(member, text)| (member.path().to_owned(), text.clone())).collect()
        };
        Self { maps: named(&args.maps), sets: named(&args.sets), sheet: args.sheet.clone(), result }
    }

    fn members(pairs: &[(String, String)]) -> Vec<(Member, String)> {
        let member = |(name, text): &(String, String)| Some((Member::of_column(name)?, text.clone()));
        pairs.iter().filter_map(member).collect()
    }

    fn open(&self, path: &Path) -> Result<(Sheet, Layout), SheetError> {
        let maps = Self::members(&self.maps);
        let known_columns = maps.iter().map(|(_, column)| column.clone()).collect();
        let sheet = Sheet::open(path, &SheetOptions { sheet: self.sheet.clone(), known_columns })?;
        let layout = Layout::new(&sheet, &maps, &Self::members(&self.sets))?;
        Ok((sheet, layout))
    }
}

/// Does it.
pub(crate) async fn run(args: &SendArgs) -> Outcome {
    quiet_readers();
    let source = Source::of(args)?;
    if args.check {
        let settings = Settings::of(args, source.result.clone());
        let code = check(args, &source.file, &settings);
        source.done_with();
        return code;
    }
    let ready = if args.resume { resume(args, &source) } else { begin(args, &source).await };
    // Nothing was begun: what came over standard input is not needed any more.
    let mut job = ready.inspect_err(|_| source.done_with())?;
    let outcome = job.send().await;
    let code = job.report(&outcome)?;
    if matches!(outcome, Ok(Ok(Ended::Finished))) {
        source.done_with();
    }
    Ok(code)
}

/// What is wrong with the file, for whoever has it.
fn of_sheet(error: &SheetError) -> Failure {
    Failure::Usage(error.text().clone())
}

fn of_journal(error: &JournalError) -> Failure {
    let en = error.to_string();
    let ko = match error {
        JournalError::InUse(path) => format!("{}: 다른 프로세스가 이 파일을 보내고 있습니다", path.display()),
        JournalError::Damaged { path, line } => {
            format!("{}: 저널의 {line}번째 줄을 읽을 수 없습니다", path.display())
        }
        JournalError::Io { path, source } => format!("{}: {source}", path.display()),
    };
    Failure::unfinished(ko, en)
}

/// `--check`.
fn check(args: &SendArgs, file: &Path, settings: &Settings) -> Outcome {
    let (sheet, layout) = reading(|| settings.open(file)).map_err(|e| of_sheet(&e))?;
    describe(args, &sheet, &layout);
    let now = Clock::default().now();
    let mut tell = |row: u64, problems: &[seoham_sheets::Problem]| {
        for problem in problems {
            if args.json {
                let text = problem.text.in_lang(language());
                let line =
                    json!({ "event": "problem", "row": row, "column": problem.column, "message": text });
                say(&line.to_string());
            } else {
                say(&told(
                    &format!("{row}행: {}", told_of(problem)),
                    &format!("row {row}: {}", told_of(problem)),
                ));
            }
        }
    };
    let survey = reading(|| Survey::make(&sheet, &layout, now, &mut tell)).map_err(|e| of_sheet(&e))?;
    let (rows, bad) = (survey.rows, survey.bad_rows);
    if args.json {
        say(&json!({ "event": "checked", "rows": rows, "bad": bad }).to_string());
    } else {
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

/// A file, and what it comes to.
struct Table {
    sheet: Sheet,
    layout: Layout,
    survey: Survey,
    /// By which deadlines and birthdays are judged: when the job was begun.
    now: UnixSeconds,
    /// What the file was when it was looked at.
    stamp: Option<Stamp>,
}

/// A file's length and the time of its last change: what tells that it is still the same.
type Stamp = (u64, SystemTime);

fn stamp_of(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

impl Table {
    /// The second and third reading must find the rows that the first one found: a verdict belongs to
    /// a row by its place.
    fn refuse_if_changed(&self) -> Result<(), SheetError> {
        if stamp_of(self.sheet.path()) == self.stamp { Ok(()) } else { Err(SheetError::changed()) }
    }
}

/// A job that is ready to be sent.
struct Job {
    table: Arc<Table>,
    journal: Journal,
    client: Client,
    options: sending::Options,
    result: PathBuf,
    json: bool,
}

async fn begin(args: &SendArgs, source: &Source) -> Outcome<Job> {
    let (file, result) = (&source.file, &source.result);
    let settings = Settings::of(args, result.clone());
    let (sheet, layout) = reading(|| settings.open(file)).map_err(|e| of_sheet(&e))?;
    describe(args, &sheet, &layout);
    refuse_what_is_there(args, source)?;
    let profile = args.platform.resolve()?;
    let client = args.platform.client(&profile)?;
    let now = Clock::default().now();
    let (survey, sha256, stamp) = survey(file, &sheet, &layout, now)?;
    if !args.json {
        say_repairs(&survey);
    }
    let known = client.capabilities().await.map_err(|error| stopped(&error))?;
    if !known.idempotency_key {
        complain(&told(
            "이 서버는 Idempotency-Key를 모릅니다. 응답을 잃은 요청은 다시 보내지 않고 '확인 필요'로 남깁니다.",
            "this platform knows no Idempotency-Key: a request whose answer is lost is left as unknown, not sent again",
        ));
    }
    let settings = serde_json::to_value(&settings).unwrap_or_default();
    let Profile { url, bulk_url, contract_uuid, .. } = profile;
    let mut head = Head::new(sha256, survey.rows, url, contract_uuid, settings);
    (head.bulk_url, head.keyed, head.started_at) = (bulk_url, known.idempotency_key, now);
    keep_the_former(source)?;
    let journal = Journal::create(&source.journal, head).map_err(|e| of_journal(&e))?;
    let table = Arc::new(Table { sheet, layout, survey, now, stamp });
    Ok(Job { table, journal, client, options: options(args), result: result.clone(), json: args.json })
}

fn resume(args: &SendArgs, source: &Source) -> Outcome<Job> {
    if !Journal::is_there(&source.journal) {
        return Err(Failure::usage(
            format!("{}: 이어서 보낼 저널이 없습니다", source.journal.display()),
            format!("{}: there is no journal of a send to resume", source.journal.display()),
        ));
    }
    let journal = Journal::open(&source.journal).map_err(|e| of_journal(&e))?;
    let head = journal.head().clone();
    let settings: Settings = serde_json::from_value(head.settings.clone()).unwrap_or_default();
    let given = Settings::of(args, source.result.clone());
    let other = |given: bool, same: bool| given && !same;
    if other(!args.maps.is_empty(), given.maps == settings.maps)
        || other(!args.sets.is_empty(), given.sets == settings.sets)
        || other(args.sheet.is_some(), given.sheet == settings.sheet)
        || other(args.result.is_some(), given.result == settings.result)
    {
        return Err(Failure::usage(
            "--map, --set, --sheet, --result는 처음 보낼 때와 같아야 합니다(생략하면 그대로 씁니다)",
            "--map, --set, --sheet and --result must be as they were at first (leave them out to use those)",
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
    let client = platform.client(&platform.resolve()?)?;
    let (sheet, layout) = reading(|| settings.open(&source.file)).map_err(|e| of_sheet(&e))?;
    // Judged as it was when the job was begun: rows must not move from one request to another.
    let now = head.started_at;
    let (survey, sha256, stamp) = survey(&source.file, &sheet, &layout, now)?;
    if sha256 != head.source_sha256 || survey.rows != head.rows {
        return Err(Failure::usage(
            "파일이 처음 보낼 때와 다릅니다. 이어서 보내려면 같은 파일이어야 합니다",
            "the file is not what it was when the send was begun; resuming needs the very same file",
        ));
    }
    refuse_blind_repetition(args, &journal)?;
    let result = settings.result.clone();
    let table = Arc::new(Table { sheet, layout, survey, now, stamp });
    Ok(Job { table, journal, client, options: options(args), result, json: args.json })
}

/// What was begun and not answered can be repeated under its key. Without one somebody has to say.
fn refuse_blind_repetition(args: &SendArgs, journal: &Journal) -> Outcome<()> {
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

fn options(args: &SendArgs) -> sending::Options {
    sending::Options {
        at_once: usize::from(args.at_once),
        patience: Duration::from_secs(args.patience),
        repeat_unknown: args.unknown == Some(Unknown::Send),
    }
}

/// A file is not sent twice by mistake, nor is anything written over.
fn refuse_what_is_there(args: &SendArgs, source: &Source) -> Outcome<()> {
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

/// Moves what is left of a send that is over out of the way: its ids may be kept nowhere else.
fn keep_the_former(source: &Source) -> Outcome<()> {
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

/// Looks at all of a file: what it comes to, its SHA-256, and what it was while it was looked at.
fn survey(
    file: &Path,
    sheet: &Sheet,
    layout: &Layout,
    now: UnixSeconds,
) -> Outcome<(Survey, String, Option<Stamp>)> {
    let stamp = stamp_of(file);
    let waiting = progress::waiting(&told("파일을 검사하고 있습니다", "looking at the file"));
    let survey = reading(|| Survey::make(sheet, layout, now, &mut |_, _| {})).map_err(|e| of_sheet(&e))?;
    waiting.finish_and_clear();
    if survey.rows == 0 {
        return Err(Failure::usage("보낼 행이 없습니다", "there is no row to send"));
    }
    let sha256 = sha256_of(file).map_err(|error| Failure::of_file(file, &error, Failure::Usage))?;
    Ok((survey, sha256, stamp))
}

/// What the file was taken for.
fn describe(args: &SendArgs, sheet: &Sheet, layout: &Layout) {
    if args.json {
        return;
    }
    let form = match sheet.format() {
        Format::Csv { encoding, .. } => format!("CSV, {}", encoding.name()),
        Format::Xlsx { sheet, others: 0 } => format!("XLSX, {sheet}"),
        Format::Xlsx { sheet, others } => told(
            &format!("XLSX, '{sheet}' 시트(다른 시트 {others}개는 보내지 않습니다)"),
            &format!("XLSX, sheet {sheet:?} ({others} other sheets are not sent)"),
        ),
        Format::JsonLines => "JSON Lines".to_owned(),
    };
    complain(&format!("{}: {form}", sheet.path().display()));
    let columns: Vec<String> = layout
        .described()
        .into_iter()
        .filter_map(|(member, column)| column.map(|column| format!("{column} → {member}")))
        .collect();
    if !columns.is_empty() {
        complain(&columns.join(", "));
    }
    let unused = layout.unused().join(", ");
    if !unused.is_empty() {
        complain(&told(&format!("쓰지 않는 열: {unused}"), &format!("columns not used: {unused}")));
    }
    if layout.numbers_rows() {
        complain(&told(
            "문서번호 열이 없어 행 번호(ROW-2, ROW-3, …)를 문서번호로 씁니다",
            "there is no column of external ids: rows are numbered (ROW-2, ROW-3, …)",
        ));
    }
}

fn say_repairs(survey: &Survey) {
    for (repair, count) in Repair::ALL.iter().zip(survey.repairs).filter(|(_, count)| *count > 0) {
        let text = repair.text();
        let text = text.in_lang(language());
        complain(&told(&format!("{text}: {count}행"), &format!("{text}: {count} rows")));
    }
}

impl Job {
    /// Sends what is not answered yet.
    async fn send(&mut self) -> Outcome<Result<Ended, SendingError>> {
        let io = |e: anyhow::Error| Failure::unfinished(e.to_string(), e.to_string());
        let mut terminate = termination().map_err(io)?;
        let stop = CancellationToken::new();
        let watching = {
            let stop = stop.clone();
            tokio::spawn(async move {
                terminate.recv().await;
                stop.cancel();
                // Nobody hears the second time, which therefore ends the process at once.
                drop(terminate);
            })
        };
        let survey = &self.table.survey;
        let progress = Shown::new(survey.rows - survey.bad_rows, self.journal.counts(), self.json);
        let (batches, mut arriving) = tokio::sync::mpsc::channel(4);
        let producing = {
            let (table, answered) = (Arc::clone(&self.table), batches::answered(&self.journal, survey.rows));
            let thread = std::thread::Builder::new().name(READER.to_owned());
            thread.spawn(move || batches::produce(&table, &answered, &batches)).map_err(|e| io(e.into()))?
        };
        let (client, journal) = (&self.client, &mut self.journal);
        let sent = sending::run(client, journal, &mut arriving, &self.options, &stop, &progress).await;
        // Whoever still produces has nobody left to give it to.
        drop(arriving);
        let produced = tokio::task::spawn_blocking(|| producing.join()).await;
        progress.finish();
        watching.abort();
        match produced {
            Ok(Ok(Ok(()))) => {
                // Only now is it known that what came was all of it.
                if matches!(sent, Ok(Ended::Finished)) {
                    self.journal.finish().map_err(|error| of_journal(&error))?;
                }
                Ok(sent)
            }
            Ok(Ok(Err(error))) => Err(Failure::Unfinished(error.text().clone())),
            Ok(Err(_)) | Err(_) => {
                Err(Failure::unfinished("파일을 읽는 중에 오류가 발생했습니다", "reading the file broke off"))
            }
        }
    }

    /// Writes the result and says what became of it.
    fn report(&self, outcome: &Outcome<Result<Ended, SendingError>>) -> Outcome {
        let waiting = progress::waiting(&told("결과 파일을 쓰고 있습니다", "writing the result"));
        let tally = reading(|| result::write(&self.table, &self.journal, &self.result));
        waiting.finish_and_clear();
        let tally = tally.map_err(|error| Failure::Unfinished(error.text().clone()))?;
        let (finished, trouble) = match outcome {
            Ok(Ok(Ended::Finished)) => (true, None),
            Ok(Ok(Ended::WithUnknown | Ended::Stopped)) => (false, None),
            Ok(Err(error)) => (false, Some(trouble(error))),
            Err(Failure::Usage(text) | Failure::Unfinished(text)) => {
                (false, Some(text.in_lang(language()).to_owned()))
            }
        };
        if self.json {
            self.say_json(&tally, finished, trouble.as_deref());
        } else {
            self.say(&tally, finished, trouble.as_deref());
        }
        Ok(if !finished {
            ExitCode::from(UNFINISHED)
        } else if tally.refused + tally.bad > 0 {
            ExitCode::from(SOME_REFUSED)
        } else {
            ExitCode::SUCCESS
        })
    }

    fn say(&self, tally: &Tally, finished: bool, trouble: Option<&str>) {
        let Tally { accepted, refused, bad, unknown, unsent, .. } = tally;
        let rows = self.table.survey.rows;
        say(&told(
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
        let result = self.result.display();
        say(&told(&format!("결과 파일: {result}"), &format!("result: {result}")));
        if let Some(trouble) = trouble {
            complain(&format!("seoham: {trouble}"));
        }
        if !finished {
            let file = self.table.sheet.path().display();
            complain(&told(
                &format!("끝나지 않았습니다. 이어서 보내려면: seoham send --resume {file}"),
                &format!("not finished; to go on: seoham send --resume {file}"),
            ));
        }
    }

    fn say_json(&self, tally: &Tally, finished: bool, trouble: Option<&str>) {
        let line = json!({
            "event": if finished { "finished" } else { "unfinished" },
            "rows": self.table.survey.rows, "accepted": tally.accepted, "refused": tally.refused,
            "bad": tally.bad, "unknown": tally.unknown, "unsent": tally.unsent,
            "reasons": tally.reasons, "result": self.result, "trouble": trouble,
        });
        say(&line.to_string());
    }
}

fn trouble(error: &SendingError) -> String {
    match error {
        SendingError::Refused(error) => {
            let (ko, en) = why(error);
            told(
                &format!("서버가 요청을 거절했습니다: {ko}"),
                &format!("the platform refuses the requests: {en}"),
            )
        }
        SendingError::GaveUp(error) => {
            let (ko, en) = why(error);
            told(
                &format!("한동안 아무것도 접수되지 않아 멈춥니다. 마지막 오류: {ko}"),
                &format!("nothing succeeded for a while; the last failure: {en}"),
            )
        }
        SendingError::Journal(error) => match of_journal(error) {
            Failure::Usage(text) | Failure::Unfinished(text) => text.in_lang(language()).to_owned(),
        },
    }
}
