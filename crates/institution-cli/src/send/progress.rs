//! Progress of a send: a bar on a terminal, lines elsewhere, JSON for machines.

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use seoham_kit::client::CallError;
use seoham_kit::sending::Progress;
use seoham_kit::sending::journal::Counts;
use serde_json::json;

use crate::platform::why;
use crate::terminal::{complain, draws, localized, say};

/// The interval between lines if there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct ProgressDisplay {
    bar: Option<ProgressBar>,
    json: bool,
    total: u64,
    counts: Cell<Counts>,
    unknown: Cell<u64>,
    began: (Instant, u64),
    last_line: Cell<Instant>,
    last_trouble: Cell<Option<Instant>>,
}

impl ProgressDisplay {
    /// Starts at the documents that are already answered.
    pub(super) fn new(total: u64, before: Counts, json: bool) -> Self {
        let done = before.accepted + before.refused;
        let bar = (draws() && !json).then(|| {
            let template = localized(
                "{bar:30} {pos}/{len} 초당 {rate}건 {msg} 남은 시간 {eta}",
                "{bar:30} {pos}/{len} {rate} a second {msg} {eta} left",
            );
            let style =
                ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let rate = |state: &ProgressState, out: &mut dyn Write| {
                let _ = write!(out, "{:.0}", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            json,
            total,
            counts: Cell::new(before),
            unknown: Cell::new(0),
            began: (now, done),
            last_line: Cell::new(now),
            last_trouble: Cell::new(None),
        }
    }

    /// Ends the progress display.
    pub(super) fn finish(&self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => self.line(),
        }
    }

    fn done(&self) -> u64 {
        let counts = self.counts.get();
        counts.accepted + counts.refused
    }

    fn update(&self) {
        let counts = self.counts.get();
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.done());
                let (accepted, refused) = (counts.accepted, counts.refused);
                bar.set_message(localized(
                    &format!("접수 {accepted} 거절 {refused}"),
                    &format!("accepted {accepted} refused {refused}"),
                ));
            }
            None if self.last_line.get().elapsed() >= EVERY => self.line(),
            None => {}
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "rows of a file")]
    fn line(&self) {
        self.last_line.set(Instant::now());
        let Counts { accepted, refused } = self.counts.get();
        let (began, before) = self.began;
        let rate = (self.done() - before) as f64 / began.elapsed().as_secs_f64().max(0.001);
        let left = (self.total.saturating_sub(self.done())) as f64 / rate.max(0.001);
        if self.json {
            let line = json!({
                "event": "progress", "documents": self.total, "accepted": accepted, "refused": refused,
                "unknown": self.unknown.get(), "per_second": rate.round(),
            });
            say(&line.to_string());
            return;
        }
        let (done, total) = (self.done(), self.total);
        let left = if rate > 0.0 { format!("{left:.0}") } else { "?".to_owned() };
        complain(&localized(
            &format!(
                "{done}/{total}건, 초당 {rate:.0}건, 접수 {accepted}, 거절 {refused}, 남은 시간 {left}초"
            ),
            &format!(
                "{done}/{total}, {rate:.0} a second, accepted {accepted}, refused {refused}, {left} s left"
            ),
        ));
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| complain(text)),
            None => complain(text),
        }
    }
}

impl Progress for ProgressDisplay {
    fn answered(&self, accepted: u64, refused: u64) {
        let counts = self.counts.get();
        self.counts.set(Counts { accepted: counts.accepted + accepted, refused: counts.refused + refused });
        self.update();
    }

    fn unknown(&self, documents: u64) {
        self.unknown.set(self.unknown.get() + documents);
        self.note(&localized(
            &format!("{documents}건은 접수되었는지 알 수 없습니다. 다시 보내지 않고 남겨 둡니다"),
            &format!("it is not known whether {documents} were accepted; they are left, not sent again"),
        ));
    }

    fn waiting(&self, error: &CallError, pause: Duration) {
        // Rate-limited: rejections are normal under load.
        if self.last_trouble.get().is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last_trouble.set(Some(Instant::now()));
        let ((ko, en), seconds) = (why(error), pause.as_secs_f64());
        self.note(&localized(
            &format!("{ko}. {seconds:.1}초 뒤에 다시 보냅니다"),
            &format!("{en}; trying again in {seconds:.1} s"),
        ));
    }
}
