//! Queries the platform about each row with dry runs: finds unknown receivers and those who refuse.

use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use seoham_kit::client::Client;
use seoham_model::bulk::ITEMS_MAX;
use seoham_model::{Lang, Text};
use seoham_sheets::{Problem, SheetError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::of_sheet;
use super::platform_message::for_clerks;
use super::table::Table;
use crate::READER;
use crate::platform::stopped;
use crate::terminal::{Failure, Outcome, language, localized};

/// The maximum number of concurrent requests: a check must not crowd out sends.
const AT_ONCE_MAX: usize = 4;

/// Rows of one request, with their documents.
type Rows = Vec<(u64, String)>;

/// The platform's verdicts.
#[derive(Default)]
pub(super) struct Verdicts {
    /// Rows that would be accepted.
    pub(super) accepted: u64,
    /// Rows that would be refused.
    pub(super) refused: u64,
}

/// Performs dry runs for every row that can be sent; calls `report` for each row that would be refused, in
/// row order.
pub(super) async fn dry_run(
    client: &Client,
    table: &Arc<Table>,
    at_once: u16,
    report: &mut (dyn FnMut(u64, &[Problem]) + Send),
) -> Outcome<Verdicts> {
    let (batches, arriving) = channel(AT_ONCE_MAX);
    let reading = {
        let table = Arc::clone(table);
        let thread = std::thread::Builder::new().name(READER.to_owned());
        thread.spawn(move || read(&table, &batches)).map_err(|error| of_sheet(&SheetError::other(&error)))?
    };
    let verdicts = ask(client, arriving, usize::from(at_once).min(AT_ONCE_MAX), report).await;
    // A reader that is still running finds the channel closed.
    let read = tokio::task::spawn_blocking(|| reading.join()).await;
    match read {
        Ok(Ok(read)) => read.map_err(|error| of_sheet(&error))?,
        Ok(Err(_)) | Err(_) => return Err(of_sheet(&SheetError::broke_off())),
    }
    verdicts
}

fn read(table: &Table, batches: &Sender<Rows>) -> Result<(), SheetError> {
    let (mut place, mut rows) = (0, Rows::new());
    table.sheet.read(&mut |record| {
        let is_good = table.survey.is_good(place);
        place += 1;
        if is_good && let Ok(good) = table.layout.document(&record, table.now) {
            rows.push((record.row, good.json));
        }
        let gone = rows.len() == ITEMS_MAX && batches.blocking_send(std::mem::take(&mut rows)).is_err();
        if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if !rows.is_empty() {
        let _ = batches.blocking_send(rows);
    }
    Ok(())
}

async fn ask(
    client: &Client,
    arriving: Receiver<Rows>,
    at_once: usize,
    report: &mut (dyn FnMut(u64, &[Problem]) + Send),
) -> Outcome<Verdicts> {
    let batches = futures_util::stream::unfold(arriving, async |mut arriving| {
        let rows: Rows = arriving.recv().await?;
        Some((rows, arriving))
    });
    let mut answers = std::pin::pin!(
        batches
            .map(async |rows| {
                let items: Vec<&str> = rows.iter().map(|(_, json)| json.as_str()).collect();
                let verdicts = client.dry_run_json(&items).await?;
                Ok(rows.iter().map(|(row, _)| *row).zip(verdicts).collect::<Vec<_>>())
            })
            .buffered(at_once)
    );
    let mut verdicts = Verdicts::default();
    while let Some(answer) = answers.try_next().await.map_err(|error| stopped(&error))? {
        for (row, verdict) in answer {
            let Some(code) = verdict.error_code else {
                verdicts.accepted += 1;
                continue;
            };
            verdicts.refused += 1;
            let message = for_clerks(&verdict.error_message.unwrap_or_default(), language());
            let text = format!("{code} {message}");
            report(row, &[Problem::of_row(Text::made(text.clone(), text))]);
        }
    }
    Ok(verdicts)
}

/// The message that the platform is not queried.
pub(super) fn not_asked(why: &Failure) -> String {
    let text = why.text();
    localized(
        &format!("플랫폼에는 묻지 않았습니다: {}", text.in_lang(Lang::Ko)),
        &format!("the platform was not asked: {}", text.in_lang(Lang::En)),
    )
}
