//! Form fields. Each kind gives phones the right keyboard and autofill; errors are shown at the field.

use askama::Template;
use seoham_model::{Lang, Text};

use crate::Site;

/// The kind of value in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A telephone number.
    Phone,
    /// A birthday, in digits.
    Birthday,
    /// A six-digit PIN. Browsers must not treat it as a password, because they would suggest letters.
    Pin,
    /// An existing password.
    Password,
    /// A new password.
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

    /// Longer than needed, so that a value pasted with blanks and dashes is not truncated.
    fn characters_max(self) -> u32 {
        match self {
            Self::Phone | Self::Birthday | Self::Pin => 20,
            Self::Password | Self::NewPassword => 64,
        }
    }
}

/// The errors of a form, by field name.
#[derive(Clone, Debug, Default)]
pub struct Mistakes(Vec<(&'static str, Text)>);

impl Mistakes {
    /// No errors.
    pub fn none() -> Self {
        Self::default()
    }

    /// An error of one field.
    pub fn at(field: &'static str, text: Text) -> Self {
        Self(vec![(field, text)])
    }

    /// Adds the error of a field.
    pub fn add(&mut self, field: &'static str, text: Text) {
        self.0.push((field, text));
    }

    /// Whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The error of a field.
    pub fn of(&self, field: &str, lang: Lang) -> Option<String> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, text)| text.in_lang(lang).to_owned())
    }

    /// Whether the field is the first with an error, which gets the focus.
    pub fn is_first(&self, field: &str) -> bool {
        self.0.first().is_some_and(|(name, _)| *name == field)
    }
}

/// A form field as rendered.
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
    /// A field named `name`, with its error from `mistakes`.
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

    /// Sets a separate id, if another form of the page has a field of this name; errors are looked up by the
    /// id.
    #[must_use]
    pub fn known_as(self, site: &Site, id: &'static str, mistakes: &Mistakes) -> Self {
        Self { id, error: mistakes.of(id, site.lang), has_focus: mistakes.is_first(id), ..self }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hinted(self, site: &Site, hint: &Text) -> Self {
        Self { hint: Some(hint.in_lang(site.lang).to_owned()), ..self }
    }

    /// Sets the value typed before; never for a secret.
    #[must_use]
    pub fn holding(self, value: &str) -> Self {
        debug_assert_ne!(self.kind.input_type(), "password", "a secret is not shown again");
        Self { value: value.to_owned(), ..self }
    }

    /// Gives it the focus when the page is loaded, unless a field has an error.
    #[must_use]
    pub fn focused(self, mistakes: &Mistakes) -> Self {
        let has_focus = self.has_focus || mistakes.is_empty();
        Self { has_focus, ..self }
    }
}
