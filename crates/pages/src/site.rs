//! What every page knows of where it stands.

use std::sync::Arc;

use seoham_model::Lang;

use crate::Brand;

/// The frame of a page: its language, and whose pages these are. Templates have it as `site`.
#[derive(Clone)]
pub struct Site {
    /// The reader's language.
    pub lang: Lang,
    /// Whose pages these are.
    pub brand: Arc<Brand>,
    /// All people are invented: every page says so.
    pub is_sandbox: bool,
}

impl Site {
    /// The text in the reader's language.
    pub fn t<'a>(&self, korean: &'a str, english: &'a str) -> &'a str {
        match self.lang {
            Lang::Ko => korean,
            Lang::En => english,
        }
    }

    /// Korean is the reader's language.
    pub fn korean(&self) -> bool {
        self.lang == Lang::Ko
    }

    /// What the pages are called, in the reader's language.
    pub fn name(&self) -> &str {
        self.brand.name.in_lang(self.lang)
    }
}
