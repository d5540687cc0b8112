//! The two languages that people and institutions are answered in.

use std::borrow::Cow;

/// A language of messages: Korean unless the client prefers English (SPEC 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// 한국어, the default.
    #[default]
    Ko,
    /// English.
    En,
}

/// One message in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    ko: Cow<'static, str>,
    en: Cow<'static, str>,
}

impl Text {
    /// A fixed message.
    pub const fn fixed(ko: &'static str, en: &'static str) -> Self {
        Self { ko: Cow::Borrowed(ko), en: Cow::Borrowed(en) }
    }

    /// A message made at run time. It must not carry a personal value.
    pub fn made(ko: String, en: String) -> Self {
        Self { ko: Cow::Owned(ko), en: Cow::Owned(en) }
    }

    /// The message in `lang`.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ko => &self.ko,
            Lang::En => &self.en,
        }
    }
}

/// Cuts `message` to at most 500 characters, the contract's limit (SPEC 3).
pub fn clip_message(message: &mut String) {
    const LIMIT: usize = 500;
    if let Some((end, _)) = message.char_indices().nth(LIMIT) {
        message.truncate(end);
    }
}
