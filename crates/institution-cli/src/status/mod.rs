//! `seoham status`: queries the states of documents, once or until all have settled.

mod args;
mod book;
mod changes;
mod picture;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use futures_util::{StreamExt, TryStreamExt};
use seoham_kit::client::{CallError, Client};
use seoham_model::bulk::ITEMS_MAX;
use seoham_model::{Lang, Text};
use seoham_sheets::{
    Cell, Columns, Format, Record, ResultColumn, RowVerdict, Sheet, SheetError, annotate, extract,
    write_table,
};
use serde_json::json;

use crate::platform::stopped;
use crate::result_file::{id_of, ids_in};
use crate::terminal::{Failure, Outcome, UNFINISHED, complain, language, localized, say, termination};
use crate::{quiet_readers, reading};
pub use args::StatusArgs;
use book::Book;
use changes::Changes;
use picture::Picture;

/// The maximum number of concurrent queries.
const AT_ONCE: usize = 4;

/// Runs the command.
pub async fn run(args: &StatusArgs) -> Outcome {
    quiet_readers();
    let of_sheet = |error: &SheetError| Failure::Usage(error.text().clone());
    let (mut book, sheet) = match args.targets.as_slice() {
        [file] if !file.starts_with("BIN-") => {
            let (book, sheet) = reading(|| of_file(Path::new(file))).map_err(|e| of_sheet(&e))?;
            (book, Some(sheet))
        }
        ids => {
            if let Some(wrong) = ids.iter().find(|id| !id.starts_with("BIN-")) {
                return Err(Failure::usage(
                    format!("{wrong}: 파일 하나 또는 BIN-… 여러 개여야 합니다"),
                    format!("{wrong}: must be one file, or any number of BIN-…"),
                ));
            }
            if args.post.is_some() {
                return Err(Failure::usage(
                    "--post에는 발송 결과 파일이 필요합니다",
                    "--post needs the result file of a send",
                ));
            }
            (Book::of(ids.iter().cloned()), None)
        }
    };
    if book.is_empty() {
        return Err(Failure::usage("조회할 문서가 없습니다", "there is no document to ask for"));
    }
    refuse_what_is_there(args, sheet.as_ref())?;
    let profile = args.platform.resolve()?;
    let client = args.platform.client(&profile)?;
    let asked = watch(args, &client, &mut book).await;
    // Save what was queried before the failure.
    if book.knows_any() {
        write(args, &book, sheet.as_ref())?;
    }
    let whole = asked.map_err(|error| stopped(&error))?;
    // An incomplete list of paper mail is worse than none.
    if whole && let (Some(sheet), Some(out)) = (sheet.as_ref(), &args.post) {
        let rows = post(&book, sheet, out).map_err(|error| Failure::Unfinished(error.text().clone()))?;
        let shown = out.display();
        complain(&localized(
            &format!("우편이 필요한 {rows}행을 {shown}에 적었습니다"),
            &format!("{rows} rows that need paper mail are in {shown}"),
        ));
    }
    show(args, &book);
    let settled = !args.watch || book.unsettled(args.until) == 0;
    Ok(if whole && settled { ExitCode::SUCCESS } else { ExitCode::from(UNFINISHED) })
}

/// Prevents overwriting files by mistake: a list of paper mail must be a new file, and no output may be the
/// result file.
fn refuse_what_is_there(args: &StatusArgs, sheet: Option<&Sheet>) -> Outcome<()> {
    let real = |file: &Path| std::fs::canonicalize(file).ok();
    let is_result =
        |file: &Path| sheet.is_some_and(|sheet| real(file).is_some() && real(file) == real(sheet.path()));
    let refuse = |file: &Path| Err(Failure::file_is_there(file));
    match (&args.post, &args.csv) {
        (Some(post), _) if post.exists() => refuse(post),
        (Some(post), Some(csv)) if post == csv => refuse(csv),
        (_, Some(csv)) if is_result(csv) => refuse(csv),
        _ => Ok(()),
    }
}

fn of_file(file: &Path) -> Result<(Book, Sheet), SheetError> {
    let (ids, sheet) = ids_in(file)?;
    Ok((Book::of(ids.into_iter()), sheet))
}

/// Queries once, or repeatedly until everything has settled; returns `false` if the process was told to stop.
async fn watch(args: &StatusArgs, client: &Client, book: &mut Book) -> Result<bool, CallError> {
    let every = Duration::from_secs(u64::from(args.every));
    let mut picture = Picture::new(args.watch, args.json);
    let Ok(mut terminate) = termination() else {
        return ask(client, book, book.open(args.until)).await.map(|()| true);
    };
    let begin = async { if args.watch { Some(Changes::begin(client).await) } else { None } };
    let mut changes = tokio::select! {
        changes = begin => changes,
        _ = terminate.recv() => return Ok(false),
    };
    let mut asked = book.open(args.until);
    loop {
        let round = Instant::now();
        tokio::select! {
            answered = ask(client, book, asked) => answered?,
            _ = terminate.recv() => return Ok(false),
        }
        picture.add(book);
        asked = book.open(args.until);
        let Some(changes) = changes.as_mut().filter(|_| !asked.is_empty()) else { return Ok(true) };
        let ids = asked.iter().map(|(_, id)| id.clone()).collect();
        // Clients must not poll more often than every five seconds (SPEC 9).
        let changed = tokio::select! {
            changed = changes.next(client, &ids, round + every) => changed,
            _ = terminate.recv() => return Ok(false),
        };
        asked.retain(|(_, id)| changed.as_ref().is_none_or(|changed| changed.contains(id)));
    }
}

/// Queries documents once.
async fn ask(client: &Client, book: &mut Book, open: Vec<(usize, String)>) -> Result<(), CallError> {
    let chunks: Vec<Vec<(usize, String)>> = open.chunks(ITEMS_MAX).map(<[_]>::to_vec).collect();
    let mut answers = futures_util::stream::iter(chunks)
        .map(|chunk| async move {
            let ids: Vec<&str> = chunk.iter().map(|(_, id)| id.as_str()).collect();
            let results = client.statuses(&ids).await?;
            Ok::<_, CallError>(chunk.iter().map(|(place, _)| *place).zip(results).collect::<Vec<_>>())
        })
        .buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.try_next().await? {
        for (place, result) in answer {
            book.note(place, result.status_data.as_ref());
        }
    }
    Ok(())
}

/// Writes the times beside the rows, and into separate files.
fn write(args: &StatusArgs, book: &Book, sheet: Option<&Sheet>) -> Outcome<()> {
    let failed = |error: SheetError| Failure::Unfinished(error.text().clone());
    if let Some(sheet) = sheet {
        write_beside(book, sheet).map_err(failed)?;
        complain(&localized(
            &format!("{}에 상태와 시각을 적었습니다", sheet.path().display()),
            &format!("statuses and times are in {}", sheet.path().display()),
        ));
    }
    if let Some(file) = &args.csv {
        let lang = language();
        let rows = (0..book.len()).map(|place| row(book, place, lang));
        write_table(file, &header(lang), rows).map_err(failed)?;
    }
    Ok(())
}

/// The columns of a table of documents.
fn header(lang: Lang) -> Vec<&'static str> {
    let columns = std::iter::once(ResultColumn::Binder).chain(ResultColumn::OF_STATUS);
    columns.map(|column| column.name(lang)).collect()
}

/// A row of that table.
fn row(book: &Book, place: usize, lang: Lang) -> Vec<Cell> {
    let mut row = vec![Cell::text(book.id(place))];
    row.extend(book.columns(place, lang));
    row
}

fn write_beside(book: &Book, sheet: &Sheet) -> Result<(), SheetError> {
    // JSON Lines are for programs.
    let lang = if *sheet.format() == Format::JsonLines { Lang::En } else { language() };
    let names = ResultColumn::OF_STATUS.map(|column| column.name(lang));
    let (column, by_id) = (binder_column(sheet), book.by_id());
    reading(|| {
        // Matched by id: rows may have been sorted since. Rows that were not queried are left unchanged.
        annotate(sheet, sheet.path(), Columns { names: &names, list: None }, &mut |record: &Record| {
            let place = by_id.get(id_of(record, column).as_str()).copied();
            Ok(place.filter(|place| book.is_known(*place)).map(|place| book.columns(place, lang)))
        })
    })
}

/// Writes the rows that need paper mail, with the reason beside each; returns their number.
fn post(book: &Book, sheet: &Sheet, out: &Path) -> Result<u64, SheetError> {
    let (column, by_id) = (binder_column(sheet), book.by_id());
    let verdict =
        sheet.header().iter().position(|name| ResultColumn::of(name) == Some(ResultColumn::Verdict));
    let of_verdict = |record: &Record| {
        let verdict = RowVerdict::of(&record.shown(verdict?, ""))?;
        // A row that was not accepted has reached nobody; a total row has no recipient.
        let is_open = !matches!(verdict, RowVerdict::Accepted | RowVerdict::Total);
        is_open.then(|| Text::fixed("접수되지 않음", "not accepted"))
    };
    reading(|| {
        extract(sheet, out, ResultColumn::PostReason.name(language()), &mut |record| {
            let id = id_of(record, column);
            let reason = match by_id.get(id.as_str()) {
                Some(place) => book.place(*place).post_reason(),
                None => of_verdict(record),
            };
            reason.map(|reason| Cell::text(reason.in_lang(language())))
        })
    })
}

fn binder_column(sheet: &Sheet) -> usize {
    let place = sheet.header().iter().position(|name| ResultColumn::of(name) == Some(ResultColumn::Binder));
    place.unwrap_or(0)
}

/// Prints the counts, and the individual documents if they are few.
fn show(args: &StatusArgs, book: &Book) {
    let counts = book.counts();
    if args.json {
        say(&json!({ "event": "status", "documents": book.len(), "counts": book.named_counts() }).to_string());
        return;
    }
    if book.len() <= 20 && args.targets.iter().all(|target| target.starts_with("BIN-")) {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(header(language()));
        for place in 0..book.len() {
            table.add_row(row(book, place, language()).iter().map(Cell::shown));
        }
        say(&table.to_string());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        localized("상태", "status"),
        localized("문서", "documents"),
        "%".to_owned(),
        localized("뜻", "meaning"),
    ]);
    let needs_post = counts.iter().any(|(place, _)| place.post_reason().is_some());
    for (status, count) in counts {
        #[allow(clippy::cast_precision_loss, reason = "documents of a file")]
        let share = count as f64 * 100.0 / book.len() as f64;
        table.add_row([
            status.text().in_lang(language()).to_owned(),
            count.to_string(),
            format!("{share:.1}"),
            status.meaning().in_lang(language()).to_owned(),
        ]);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&table.to_string());
    if let [file] = args.targets.as_slice()
        && needs_post
        && args.post.is_none()
        && !file.starts_with("BIN-")
    {
        complain(&localized(
            &format!("우편이 필요한 사람의 명단을 만들려면: seoham status {file} --post 우편.xlsx"),
            &format!("for a list of those who need paper mail: seoham status {file} --post post.xlsx"),
        ));
    }
}
