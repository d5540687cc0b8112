//! One attempt to show the page, from the verified visit to the page's last chunk. Every outcome is recorded:
//! shown, failed, or left by the browser.

use futures_util::future::BoxFuture;
use std::sync::Arc;

use super::reporter::Reporter;
use super::visit::Visit;
use crate::exchange::{AppendError, Entry, ExchangeLog, Kind};

/// How far the attempt got.
enum Stage {
    /// The page is being sent; the value is the failure to record if it ends here.
    Going(&'static str),
    /// The log has recorded the view; the last chunk is not sent yet.
    Noted,
    /// Everything was sent.
    Handed,
    /// Nothing is left to record: the caller recorded it, or another view of the same visit did.
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

    /// The upstream aborted the response.
    pub(super) fn broke_off(&mut self) {
        self.stage = Stage::Going("broken_off");
    }

    /// Dropping this records nothing: the caller does.
    pub(super) fn reported_by_caller(&mut self) {
        self.stage = Stage::Done;
    }

    /// Records that the page is shown, unless that is recorded already, for example by a reload. Call
    /// [`PageView::noted`] next, and then send the last chunk.
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
            // "left" retracts this view's record, but not that of another request.
            Stage::Noted => failed(if self.visit.is_owed() { "left" } else { "left_again" }),
            Stage::Handed => self.reporter.report(self.visit.pending()),
            Stage::Done => {}
        }
    }
}
