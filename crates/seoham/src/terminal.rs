//! Whoever sits before the terminal: their language, and whether there is one.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use seoham_model::{Lang, Text};

use crate::cli::complain;

/// The language of whoever reads the terminal, by its locale.
pub(crate) fn language() -> Lang {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    if locale.is_some_and(|l| l.starts_with("ko")) { Lang::Ko } else { Lang::En }
}

/// A message in that language.
pub(crate) fn localized(ko: &str, en: &str) -> String {
    match language() {
        Lang::Ko => ko.to_owned(),
        Lang::En => en.to_owned(),
    }
}

/// Progress is drawn on standard error.
pub(crate) fn draws() -> bool {
    std::io::stderr().is_terminal()
}

/// How a command of an institution ended badly, and its exit status.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The call or the file is wrong; nothing was sent (64).
    Usage(Text),
    /// It could not be finished, and can be tried or resumed (2).
    Unfinished(Text),
}

/// What such a command gives.
pub(crate) type Outcome<T = ExitCode> = Result<T, Failure>;

/// Everything was done, but some of it was refused.
pub(crate) const SOME_REFUSED: u8 = 1;
/// It could not be finished.
pub(crate) const UNFINISHED: u8 = 2;
/// The call was wrong.
pub(crate) const USAGE: u8 = 64;

impl Failure {
    /// What is told.
    pub(crate) fn text(&self) -> &Text {
        match self {
            Self::Usage(text) | Self::Unfinished(text) => text,
        }
    }

    pub(crate) fn usage(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Usage(Text::made(ko.into(), en.into()))
    }

    /// The file system refused, which needs no translation.
    pub(crate) fn of_file(file: &Path, error: &std::io::Error, failure: fn(Text) -> Self) -> Self {
        let text = format!("{}: {error}", file.display());
        failure(Text::made(text.clone(), text))
    }

    pub(crate) fn unfinished(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Unfinished(Text::made(ko.into(), en.into()))
    }
}

/// The exit status of a command, its failure told.
pub(crate) fn ended(outcome: Outcome) -> ExitCode {
    let (text, code) = match outcome {
        Ok(code) => return code,
        Err(Failure::Usage(text)) => (text, USAGE),
        Err(Failure::Unfinished(text)) => (text, UNFINISHED),
    };
    complain(&format!("seoham: {}", text.in_lang(language())));
    ExitCode::from(code)
}
