//! The second pass: groups rows into requests. A request covers a fixed range of a hundred places, so that it
//! is the same each time the file is read; rows that are not sent leave gaps.

use std::ops::ControlFlow;

use seoham_kit::sending::journal::Journal;
use seoham_kit::sending::{Batch, Item};
use seoham_model::bulk::ITEMS_MAX;
use seoham_sheets::SheetError;
use tokio::sync::mpsc::Sender;

use super::table::Table;

/// The number of the request for a row.
pub(super) fn number_of(place: u64) -> u32 {
    u32::try_from(place / ITEMS_MAX as u64).expect("a file has at most five million rows")
}

/// Which requests are already answered, according to the journal.
pub(super) fn answered(journal: &Journal, rows: u64) -> Vec<bool> {
    (0..rows.div_ceil(ITEMS_MAX as u64))
        .map(|no| journal.is_answered(number_of(no * ITEMS_MAX as u64)))
        .collect()
}

/// Sends every unanswered request to `batches`, until the receiver is closed.
pub(super) fn produce(table: &Table, answered: &[bool], batches: &Sender<Batch>) -> Result<(), SheetError> {
    table.refuse_if_changed()?;
    let Table { sheet, layout, survey, now, .. } = table;
    let mut batch = Batch { no: 0, items: Vec::new() };
    let mut place = 0;
    let mut changed = false;
    // Checked before each request: rows of a file that has changed must not be sent.
    let flush = |batch: &mut Batch, next: u32| {
        let full = std::mem::replace(batch, Batch { no: next, items: Vec::new() });
        if full.items.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        table.refuse_if_changed()?;
        let gone = batches.blocking_send(full).is_err();
        Ok(if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let mut stopped = false;
    sheet.read(&mut |record| {
        let no = number_of(place);
        if no != batch.no {
            match flush(&mut batch, no) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => {
                    stopped = true;
                    return ControlFlow::Break(());
                }
                Err(_) => {
                    changed = true;
                    return ControlFlow::Break(());
                }
            }
        }
        let wanted = survey.is_good(place) && !answered.get(no as usize).copied().unwrap_or(false);
        place += 1;
        if !wanted {
            return ControlFlow::Continue(());
        }
        if let Ok(good) = layout.document(&record, *now) {
            let external_document_uuid = good.external_document_uuid;
            batch.items.push(Item { external_document_uuid, json: good.json });
            return ControlFlow::Continue(());
        }
        changed = true;
        ControlFlow::Break(())
    })?;
    if changed || (!stopped && place != survey.rows) {
        return Err(SheetError::changed());
    }
    if !stopped {
        let _: ControlFlow<()> = flush(&mut batch, 0)?;
    }
    Ok(())
}
