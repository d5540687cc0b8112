//! One attempt to show the page, from the verified visit to the last piece of the page handed
//! over. However it ends, it is recorded: shown, failed, or left by the browser.

use futures_util::future::BoxFuture;
use std::sync::Arc;

use super::reporter::Reporter;
use super::visit::Visit;
use crate::exchange::{AppendError, Entry, ExchangeLog, Kind};

/// How far it came.
enum Stage {
    /// The page is on its way; what it will have failed by if it ends here.
    Going(&'static str),
    /// That it is shown stands in the log; its last piece is still here.
    Noted,
    /// Everything was handed over.
    Handed,
    /// Nothing is left to record: the caller has, or another view of the same visit.
    Done,
}

pub(super) struct PageView {
    visit: Arc<Visit>,
    log: ExchangeLog,
    reporter: Reporter,
    stage: Stage,
}

impl PageView {
    pub(super) fn begin(visit: Arc<Visit>, log: ExchangeLog, reporter: Reporter) -> Self {
        Self { visit, log, reporter, stage: Stage::Going("left") }
    }

    /// The upstream broke off.
    pub(super) fn broke_off(&mut self) {
        self.stage = Stage::Going("broken_off");
    }

    /// Nothing is recorded when this is dropped: the caller does it.
    pub(super) fn reported_by_caller(&mut self) {
        self.stage = Stage::Done;
    }

    /// Writes down that the page is shown, unless it was before: a reload may have come first.
    /// [`PageView::noted`] is to follow, and then the last piece.
    pub(super) fn note(&self) -> BoxFuture<'static, Result<(), AppendError>> {
        if !self.visit.is_owed() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let log = self.log.clone();
        let entry = Entry::new(Kind::Shown, "whole").of(self.visit.document, &self.visit.id);
        Box::pin(async move { log.append(vec![entry]).await })
    }

    pub(super) fn noted(&mut self) {
        self.stage = Stage::Noted;
    }

    pub(super) fn handed(&mut self) {
        if !matches!(self.stage, Stage::Handed) {
            self.stage = if self.visit.settle() { Stage::Handed } else { Stage::Done };
        }
    }
}

impl Drop for PageView {
    fn drop(&mut self) {
        let failed = |outcome| {
            let entry = Entry::new(Kind::PageFailed, outcome).of(self.visit.document, &self.visit.id);
            self.reporter.append(entry);
        };
        match self.stage {
            Stage::Going(outcome) => failed(outcome),
            // "left" takes the record of the view back, but not that of another request's.
            Stage::Noted => failed(if self.visit.is_owed() { "left" } else { "left_again" }),
            Stage::Handed => self.reporter.report(self.visit.pending()),
            Stage::Done => {}
        }
    }
}
