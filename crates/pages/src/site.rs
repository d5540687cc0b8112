//! The context of every page.

use std::sync::Arc;

use seoham_model::Lang;

use crate::Brand;

/// The frame of a page: its language and brand. Templates access it as `site`.
#[derive(Clone)]
pub struct Site {
    /// The reader's language.
    pub lang: Lang,
    /// The operator's brand.
    pub brand: Arc<Brand>,
    /// All people are fictitious: every page says so.
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

    /// Whether the reader's language is Korean.
    pub fn korean(&self) -> bool {
        self.lang == Lang::Ko
    }

    /// The name of the box, in the reader's language.
    pub fn name(&self) -> &str {
        self.brand.name.in_lang(self.lang)
    }
}
