//! The operator's brand: name, colour, picture and texts.

use seoham_model::Text;

use crate::colour::Colour;

/// The maximum length of the name, which also appears in messages.
const NAME_CHARACTERS_MAX: usize = 20;
/// The maximum size of the terms or the privacy notice.
const TEXT_BYTES_MAX: usize = 200_000;
/// The maximum size of the picture.
const LOGO_BYTES_MAX: usize = 64 * 1024;
/// The signature of a PNG.
pub(crate) const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// Why a brand is not valid.
#[derive(Debug, thiserror::Error)]
pub enum BrandError {
    /// The name is empty or too long for a message.
    #[error("brand.name must have 1 to {NAME_CHARACTERS_MAX} characters")]
    Name,
    /// The colour is not in the form `#rrggbb`.
    #[error("brand.color must be written as #rrggbb")]
    Color,
    /// White text on it would not be readable.
    #[error("brand.color must be darker: white text on it cannot be read")]
    TooLight,
    /// The picture is not a small PNG.
    #[error("brand.logo_file must be a PNG of at most 64 KiB")]
    Logo,
    /// A text is empty or too long.
    #[error("{0} must have 1 to 200,000 bytes of text")]
    Text(&'static str),
}

/// The operator's brand.
pub struct Brand {
    /// The name of the box, on every page and in every message.
    pub name: Text,
    /// The contact for questions about the box itself, as text: a telephone number, an address.
    pub contact: Option<String>,
    /// The terms that a person agrees to when joining.
    pub terms: Option<String>,
    /// The privacy notice for people who join.
    pub privacy: Option<String>,
    /// A picture, a PNG.
    pub logo: Option<Vec<u8>>,
    pub(crate) colour: Colour,
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: Text::fixed("서함", "Seoham"),
            contact: None,
            terms: None,
            privacy: None,
            logo: None,
            colour: Colour::default(),
        }
    }
}

impl Brand {
    /// Sets the name, in Korean and optionally in English.
    ///
    /// # Errors
    /// If a name is empty or too long.
    pub fn named(self, korean: &str, english: Option<&str>) -> Result<Self, BrandError> {
        let fits = |name: &str| (1..=NAME_CHARACTERS_MAX).contains(&name.trim().chars().count());
        let english = english.unwrap_or(korean);
        if !fits(korean) || !fits(english) {
            return Err(BrandError::Name);
        }
        let name = Text::made(korean.trim().to_owned(), english.trim().to_owned());
        Ok(Self { name, ..self })
    }

    /// Sets the colour, `#rrggbb`.
    ///
    /// # Errors
    /// If it is not a colour, or if white text on it is not readable.
    pub fn coloured(self, color: &str) -> Result<Self, BrandError> {
        let colour = Colour::parse(color).ok_or(BrandError::Color)?;
        if colour.is_readable_under_white() { Ok(Self { colour, ..self }) } else { Err(BrandError::TooLight) }
    }

    /// Sets the picture.
    ///
    /// # Errors
    /// If it is not a PNG, or is too large.
    pub fn with_logo(self, logo: Vec<u8>) -> Result<Self, BrandError> {
        let fits = logo.starts_with(&PNG) && logo.len() <= LOGO_BYTES_MAX;
        if fits { Ok(Self { logo: Some(logo), ..self }) } else { Err(BrandError::Logo) }
    }

    /// Sets the texts that people agree to when they join.
    ///
    /// # Errors
    /// If a text is empty or too long.
    pub fn with_texts(self, terms: Option<String>, privacy: Option<String>) -> Result<Self, BrandError> {
        for (name, text) in [("brand.terms_file", &terms), ("brand.privacy_file", &privacy)] {
            let length = text.as_ref().map_or(1, |text| text.trim().len());
            if !(1..=TEXT_BYTES_MAX).contains(&length) {
                return Err(BrandError::Text(name));
            }
        }
        Ok(Self { terms, privacy, ..self })
    }

    /// Sets the contact for questions about the box itself.
    #[must_use]
    pub fn with_contact(self, contact: Option<&str>) -> Self {
        let contact = contact.map(str::trim).filter(|contact| !contact.is_empty()).map(str::to_owned);
        Self { contact, ..self }
    }

    /// The full texts that a person agrees to when joining.
    pub fn agreed_texts(&self) -> Vec<String> {
        self.terms.iter().chain(&self.privacy).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::Lang;

    use super::*;

    #[test]
    fn what_an_operator_sets_is_checked() {
        let brand = || Brand::default();
        assert_eq!(brand().named(" 우리 문서함 ", None).unwrap().name.in_lang(Lang::En), "우리 문서함");
        assert!(matches!(brand().named("", None), Err(BrandError::Name)));
        assert!(matches!(brand().named(&"가".repeat(21), None), Err(BrandError::Name)));
        assert!(brand().coloured("#0a5c36").is_ok());
        assert!(matches!(brand().coloured("green"), Err(BrandError::Color)));
        assert!(matches!(brand().coloured("#ffee00"), Err(BrandError::TooLight)));
        assert!(brand().with_logo([&PNG[..], b"..."].concat()).is_ok());
        assert!(matches!(brand().with_logo(b"GIF89a".to_vec()), Err(BrandError::Logo)));
        assert!(matches!(brand().with_texts(Some(" ".to_owned()), None), Err(BrandError::Text(_))));
        let both = brand().with_texts(Some("약관".to_owned()), Some("방침".to_owned())).unwrap();
        assert_eq!(both.agreed_texts(), ["약관", "방침"]);
    }
}
