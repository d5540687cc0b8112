//! Whoever sits before the terminal: their language, and whether there is one.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use seoham_model::{Lang, Text};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The language of whoever reads the terminal, by its locale.
pub fn language() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    if locale.is_some_and(|l| l.starts_with("ko")) { Lang::Ko } else { Lang::En }
}

/// A message in that language.
pub fn localized(ko: &str, en: &str) -> String {
    match language() {
        Lang::Ko => ko.to_owned(),
        Lang::En => en.to_owned(),
    }
}

/// Progress is drawn on standard error.
pub fn draws() -> bool {
    std::io::stderr().is_terminal()
}

/// How a command of an institution ended badly, and its exit status.
#[derive(Debug)]
pub enum Failure {
    /// The call or the file is wrong; nothing was sent (64).
    Usage(Text),
    /// It could not be finished, and can be tried or resumed (2).
    Unfinished(Text),
}

/// What such a command gives.
pub type Outcome<T = ExitCode> = Result<T, Failure>;

/// Everything was done, but some of it was refused.
pub const SOME_REFUSED: u8 = 1;
/// It could not be finished.
pub const UNFINISHED: u8 = 2;
/// The call was wrong.
pub const USAGE: u8 = 64;

impl Failure {
    /// What is told.
    pub fn text(&self) -> &Text {
        match self {
            Self::Usage(text) | Self::Unfinished(text) => text,
        }
    }

    /// A wrong call or file, in Korean and in English.
    pub fn usage(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Usage(Text::made(ko.into(), en.into()))
    }

    /// The file system refused, which needs no translation.
    pub fn of_file(file: &Path, error: &std::io::Error, failure: fn(Text) -> Self) -> Self {
        let text = format!("{}: {error}", file.display());
        failure(Text::made(text.clone(), text))
    }

    /// What could not be finished, in Korean and in English.
    pub fn unfinished(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Unfinished(Text::made(ko.into(), en.into()))
    }
}

/// Prints a failure and gives the exit status.
pub fn ended(outcome: Outcome) -> ExitCode {
    let (text, code) = match outcome {
        Ok(code) => return code,
        Err(Failure::Usage(text)) => (text, USAGE),
        Err(Failure::Unfinished(text)) => (text, UNFINISHED),
    };
    complain(&format!("seoham: {}", text.in_lang(language())));
    ExitCode::from(code)
}

/// A line for the person or the program that reads our output.
///
/// Whoever reads it may have heard enough (`| head`): then it goes nowhere, and the command ends as it would have.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line for whoever looks for what went wrong.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says when the process is told to end, by SIGTERM or Ctrl-C; the second time it ends at once.
pub fn termination() -> std::io::Result<mpsc::Receiver<()>> {
    let (sender, signals) = mpsc::channel(1);
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.try_send(()).is_err() {
                std::process::exit(130);
            }
        }
    });
    Ok(signals)
}
/// Shows that something takes a while, on a terminal.
pub fn spinner(what: &str) -> ProgressBar {
    if !draws() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
