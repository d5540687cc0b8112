//! Where a person was going before something came first: signing in, joining.

use seoham_model::BinderId;
use serde::Deserialize;

/// A place of the box. It travels in the query and in forms as the document's id alone, so that nobody can have it lead
/// anywhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Destination(pub(crate) Option<BinderId>);

/// A destination in a query or a form.
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    document: Option<String>,
}

impl Asked {
    pub(crate) fn destination(&self) -> Destination {
        Destination(self.document.as_deref().and_then(BinderId::parse))
    }
}

impl Destination {
    /// What a path of the box is about.
    pub(crate) fn of_path(path: &str) -> Self {
        let id = path.strip_prefix("/documents/").and_then(|rest| rest.split('/').next());
        Self(id.and_then(BinderId::parse))
    }

    /// Its address.
    pub(crate) fn address(self) -> String {
        self.0.map_or_else(|| "/documents".to_owned(), |id| format!("/documents/{id}"))
    }

    /// Another page, which leads on to it.
    pub(crate) fn after(self, page: &str) -> String {
        let Some(id) = self.0 else { return page.to_owned() };
        let mark = if page.contains('?') { '&' } else { '?' };
        format!("{page}{mark}document={id}")
    }

    /// What a form carries.
    pub(crate) fn carried(self) -> Option<String> {
        self.0.map(|id| id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;

    use super::*;

    #[test]
    fn only_documents_of_the_box_are_led_to() {
        let id = BinderId::generate(&Clock::default());
        for path in [format!("/documents/{id}"), format!("/documents/{id}/open")] {
            assert_eq!(Destination::of_path(&path), Destination(Some(id)), "{path}");
        }
        for path in
            ["/documents", "/settings", "/documents//evil.example", "/documents/BIN-x", "//evil.example"]
        {
            assert_eq!(Destination::of_path(path), Destination(None), "{path}");
        }
        let asked = |document: &str| Asked { document: Some(document.to_owned()) }.destination();
        assert_eq!(asked("https://evil.example"), Destination(None));
        assert_eq!(asked(&id.to_string()).after("/?ended=1"), format!("/?ended=1&document={id}"));
        assert_eq!(Destination(None).address(), "/documents");
    }
}
