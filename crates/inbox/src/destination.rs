//! The page a person was going to before an intermediate step such as signing in or joining.

use seoham_model::BinderId;
use serde::Deserialize;

/// A page of the box. Queries and forms carry it as a fixed name or a document id, never as an address, so
/// that it cannot be used as an open redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The list of documents.
    #[default]
    List,
    /// A document's page.
    Document(BinderId),
    /// The settings.
    Settings,
}

/// The value of the parameter `to` that means the settings.
const SETTINGS: &str = "settings";

/// A destination in a query or a form.
#[derive(Default, Deserialize)]
pub(crate) struct DestinationParameters {
    document: Option<String>,
    to: Option<String>,
}

impl DestinationParameters {
    /// The destination that the parameters name; the list if they are unknown.
    pub(crate) fn destination(&self) -> Destination {
        match (self.document.as_deref().and_then(BinderId::parse), self.to.as_deref()) {
            (Some(id), _) => Destination::Document(id),
            (None, Some(SETTINGS)) => Destination::Settings,
            (None, _) => Destination::List,
        }
    }
}

impl Destination {
    /// The destination of a path of the box.
    pub(crate) fn of_path(path: &str) -> Self {
        let mut segments = path.split('/').skip(1);
        match (segments.next(), segments.next()) {
            (Some("settings"), _) | (Some("pin"), None) => Self::Settings,
            (Some("documents"), Some(id)) => BinderId::parse(id).map_or(Self::List, Self::Document),
            _ => Self::List,
        }
    }

    /// The document, if the destination is one.
    pub(crate) fn document(self) -> Option<BinderId> {
        if let Self::Document(id) = self { Some(id) } else { None }
    }

    /// Its address.
    pub(crate) fn address(self) -> String {
        match self {
            Self::List => "/documents".to_owned(),
            Self::Document(id) => format!("/documents/{id}"),
            Self::Settings => "/settings".to_owned(),
        }
    }

    /// The name and value of the parameter that carries it, for a query or a form's hidden field.
    pub(crate) fn parameter(self) -> Option<(&'static str, String)> {
        match self {
            Self::List => None,
            Self::Document(id) => Some(("document", id.to_string())),
            Self::Settings => Some(("to", SETTINGS.to_owned())),
        }
    }

    /// The address of `page`, carrying this destination to continue to.
    pub(crate) fn after(self, page: &str) -> String {
        let Some((name, value)) = self.parameter() else { return page.to_owned() };
        let mark = if page.contains('?') { '&' } else { '?' };
        format!("{page}{mark}{name}={value}")
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;

    use super::*;

    #[test]
    fn only_places_of_the_box_are_led_to() {
        let id = BinderId::generate(&Clock::default());
        for (path, destination) in [
            (format!("/documents/{id}"), Destination::Document(id)),
            (format!("/documents/{id}/open"), Destination::Document(id)),
            ("/settings".to_owned(), Destination::Settings),
            ("/settings/pin".to_owned(), Destination::Settings),
            ("/pin".to_owned(), Destination::Settings),
            ("/documents".to_owned(), Destination::List),
            ("/settings.evil.example".to_owned(), Destination::List),
            ("/documents//evil.example".to_owned(), Destination::List),
            ("/documents/BIN-x".to_owned(), Destination::List),
            ("//evil.example".to_owned(), Destination::List),
        ] {
            assert_eq!(Destination::of_path(&path), destination, "{path}");
        }
    }

    #[test]
    fn what_was_carried_is_what_arrives() {
        let id = BinderId::generate(&Clock::default());
        let of = |document: &str, to: &str| {
            DestinationParameters { document: Some(document.to_owned()), to: Some(to.to_owned()) }
                .destination()
        };
        for destination in [Destination::List, Destination::Document(id), Destination::Settings] {
            let arrived = match destination.parameter() {
                Some(("document", value)) => of(&value, ""),
                Some((_, value)) => of("", &value),
                None => of("", ""),
            };
            assert_eq!(arrived, destination);
        }
        assert_eq!(of("https://evil.example", "https://evil.example"), Destination::List);
        assert_eq!(of("", "/settings"), Destination::List, "a name, no address");
        assert_eq!(Destination::Document(id).after("/?ended=1"), format!("/?ended=1&document={id}"));
        assert_eq!(Destination::Settings.after("/l/T"), "/l/T?to=settings");
    }
}
