//! The two languages of messages to people and institutions.

use std::borrow::Cow;
use std::fmt;

/// A language of messages: Korean unless the client prefers English (SPEC 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// 한국어, the default.
    #[default]
    Ko,
    /// English.
    En,
}

impl Lang {
    /// The preferred language of an `Accept-Language` header: Korean unless it prefers English.
    pub fn preferred(accept_language: &str) -> Self {
        let (korean, english) = (quality(accept_language, "ko"), quality(accept_language, "en"));
        if english > korean { Self::En } else { Self::Ko }
    }
}

/// The quality value of `language` in `wished`, in any of its regions; 0 if absent. The header is untrusted,
/// so every value is clamped to the range from 0 to 1.
fn quality(wished: &str, language: &str) -> f32 {
    let of = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let primary = parts.next()?.split('-').next()?;
        if !primary.eq_ignore_ascii_case(language) {
            return None;
        }
        let quality =
            parts.find_map(|p| p.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
        quality.is_finite().then(|| quality.clamp(0.0, 1.0))
    };
    wished.split(',').filter_map(of).fold(0.0, f32::max)
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

    /// A message composed at run time. It must not contain personal data.
    pub fn made(ko: String, en: String) -> Self {
        Self { ko: Cow::Owned(ko), en: Cow::Owned(en) }
    }

    /// The message prefixed with a name that needs no translation: `name: message`.
    #[must_use]
    pub fn about(&self, name: &dyn fmt::Display) -> Self {
        Self::made(format!("{name}: {}", self.ko), format!("{name}: {}", self.en))
    }

    /// The message in `lang`.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Ko => &self.ko,
            Lang::En => &self.en,
        }
    }
}

/// Truncates `message` to at most 500 characters, the contract's limit (SPEC 3).
pub fn clip_message(message: &mut String) {
    const LIMIT: usize = 500;
    if let Some((end, _)) = message.char_indices().nth(LIMIT) {
        message.truncate(end);
    }
}
