//! Fields of forms, each of the kind that a phone has the right keyboard and memory for, and what is wrong with what was
//! typed, said at the field.

use askama::Template;
use seoham_model::{Lang, Text};

use crate::Site;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A telephone number.
    Phone,
    /// A birthday, in digits.
    Birthday,
    /// A six-digit PIN. Not a password to a browser, which would propose letters.
    Pin,
    /// A password that is known.
    Password,
    /// A password that is made now.
    NewPassword,
}

impl FieldKind {
    fn input_type(self) -> &'static str {
        match self {
            Self::Phone => "tel",
            Self::Birthday => "text",
            Self::Pin | Self::Password | Self::NewPassword => "password",
        }
    }

    fn keyboard(self) -> Option<&'static str> {
        matches!(self, Self::Phone | Self::Birthday | Self::Pin).then_some("numeric")
    }

    fn autocomplete(self) -> &'static str {
        match self {
            Self::Phone => "tel-national",
            Self::Birthday => "bday",
            Self::Pin => "one-time-code",
            Self::Password => "current-password",
            Self::NewPassword => "new-password",
        }
    }

    /// More than is right, so that what is pasted with blanks and dashes comes whole.
    fn characters_max(self) -> u32 {
        match self {
            Self::Phone | Self::Birthday | Self::Pin => 20,
            Self::Password | Self::NewPassword => 64,
        }
    }
}

/// What is wrong with a form, by the fields' names.
#[derive(Clone, Debug, Default)]
pub struct Mistakes(Vec<(&'static str, Text)>);

impl Mistakes {
    /// Nothing is wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// One field is wrong.
    pub fn at(field: &'static str, text: Text) -> Self {
        Self(vec![(field, text)])
    }

    /// Says what is wrong with one more field.
    pub fn add(&mut self, field: &'static str, text: Text) {
        self.0.push((field, text));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with a field.
    pub fn of(&self, field: &str, lang: Lang) -> Option<String> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, text)| text.in_lang(lang).to_owned())
    }

    /// Whether a field is the first that is wrong: it has the focus.
    pub fn is_first(&self, field: &str) -> bool {
        self.0.first().is_some_and(|(name, _)| *name == field)
    }
}

/// A field of a form, as it is shown.
#[derive(Template)]
#[template(path = "field.html")]
pub struct Field {
    name: &'static str,
    id: &'static str,
    label: String,
    kind: FieldKind,
    hint: Option<String>,
    value: String,
    error: Option<String>,
    has_focus: bool,
}

impl Field {
    /// A field named `name`; what is wrong with it is among `mistakes`.
    pub fn new(site: &Site, kind: FieldKind, name: &'static str, label: &Text, mistakes: &Mistakes) -> Self {
        Self {
            name,
            id: name,
            label: label.in_lang(site.lang).to_owned(),
            kind,
            hint: None,
            value: String::new(),
            error: mistakes.of(name, site.lang),
            has_focus: mistakes.is_first(name),
        }
    }

    /// With an id of its own, where another form of the page has a field of this name; what is wrong is found by it.
    #[must_use]
    pub fn known_as(self, site: &Site, id: &'static str, mistakes: &Mistakes) -> Self {
        Self { id, error: mistakes.of(id, site.lang), has_focus: mistakes.is_first(id), ..self }
    }

    /// With what helps to fill it in.
    #[must_use]
    pub fn hinted(self, site: &Site, hint: &Text) -> Self {
        Self { hint: Some(hint.in_lang(site.lang).to_owned()), ..self }
    }

    /// With what was typed before; never for a secret.
    #[must_use]
    pub fn holding(self, value: &str) -> Self {
        debug_assert_ne!(self.kind.input_type(), "password", "a secret is not shown again");
        Self { value: value.to_owned(), ..self }
    }

    /// It has the focus when the page is shown, unless another field is wrong.
    #[must_use]
    pub fn focused(self, mistakes: &Mistakes) -> Self {
        let has_focus = self.has_focus || mistakes.is_empty();
        Self { has_focus, ..self }
    }
}
