//! The user's terminal: its language, and whether there is one.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use seoham_model::{Lang, Text};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The user's language, from the locale.
pub fn language() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    if locale.is_some_and(|l| l.starts_with("ko")) { Lang::Ko } else { Lang::En }
}

/// A message in the user's language.
pub fn localized(ko: &str, en: &str) -> String {
    match language() {
        Lang::Ko => ko.to_owned(),
        Lang::En => en.to_owned(),
    }
}

/// Whether progress bars can be drawn, on standard error.
pub fn draws() -> bool {
    std::io::stderr().is_terminal()
}

/// How a command failed, and its exit status.
#[derive(Debug)]
pub enum Failure {
    /// The arguments or the file are invalid; nothing was sent (64).
    Usage(Text),
    /// The command was not completed, and can be retried or resumed (2).
    Unfinished(Text),
}

/// The result of a command.
pub type Outcome<T = ExitCode> = Result<T, Failure>;

/// Completed, but some items were refused.
pub const SOME_REFUSED: u8 = 1;
/// Not completed.
pub const UNFINISHED: u8 = 2;
/// Invalid arguments.
pub const USAGE: u8 = 64;

impl Failure {
    /// The message.
    pub fn text(&self) -> &Text {
        match self {
            Self::Usage(text) | Self::Unfinished(text) => text,
        }
    }

    /// Invalid arguments or an invalid file, in Korean and in English.
    pub fn usage(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Usage(Text::made(ko.into(), en.into()))
    }

    /// An output file that is there already, and must not be overwritten by mistake.
    pub fn file_is_there(file: &Path) -> Self {
        let shown = file.display();
        Self::usage(
            format!("{shown}: 이미 있는 파일입니다. 다른 이름을 정해 주십시오"),
            format!("{shown} is there already; give another name"),
        )
    }

    /// An I/O error of `file`, whose message needs no translation.
    pub fn of_file(file: &Path, error: &std::io::Error, failure: fn(Text) -> Self) -> Self {
        let text = format!("{}: {error}", file.display());
        failure(Text::made(text.clone(), text))
    }

    /// An incomplete command, in Korean and in English.
    pub fn unfinished(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Unfinished(Text::made(ko.into(), en.into()))
    }
}

/// Prints a failure and returns the exit status.
pub fn ended(outcome: Outcome) -> ExitCode {
    let (text, code) = match outcome {
        Ok(code) => return code,
        Err(Failure::Usage(text)) => (text, USAGE),
        Err(Failure::Unfinished(text)) => (text, UNFINISHED),
    };
    complain(&format!("seoham: {}", text.in_lang(language())));
    ExitCode::from(code)
}

/// Prints a line to standard output.
///
/// The reader may have closed the pipe (`| head`): the line is then dropped, and the exit status is
/// unaffected.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line to standard error.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Notifies of the first SIGTERM or Ctrl-C; the second one ends the process immediately.
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

/// Shows a spinner on a terminal during a slow operation.
pub fn spinner(what: &str) -> ProgressBar {
    if !draws() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
