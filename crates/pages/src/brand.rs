//! Whose pages these are: the name, the colour, the picture and the texts that an operator sets.

use seoham_model::Text;

use crate::colour::Colour;

/// The longest name; it stands in messages too.
const NAME_CHARACTERS_MAX: usize = 20;
/// The longest terms or privacy notice.
const TEXT_BYTES_MAX: usize = 200_000;
/// The largest picture.
const LOGO_BYTES_MAX: usize = 64 * 1024;
/// How a PNG begins.
pub(crate) const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// Why a brand cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrandError {
    /// The name is empty or too long for a message.
    #[error("brand.name must have 1 to {NAME_CHARACTERS_MAX} characters")]
    Name,
    /// The colour is not written as one.
    #[error("brand.color must be written as #rrggbb")]
    Color,
    /// White text could not be read on it.
    #[error("brand.color must be darker: white text on it cannot be read")]
    TooLight,
    /// The picture is not a small PNG.
    #[error("brand.logo_file must be a PNG of at most 64 KiB")]
    Logo,
    /// A text is empty or too long.
    #[error("{0} must have 1 to 200,000 bytes of text")]
    Text(&'static str),
}

/// Whose pages these are.
pub struct Brand {
    /// What the box is called, on every page and in every message.
    pub name: Text,
    /// Whom a person asks about the box itself, as written: a telephone number, an address.
    pub contact: Option<String>,
    /// What somebody who joins agrees to.
    pub terms: Option<String>,
    /// What is done with what is known of somebody who joins.
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
    /// With another name, in Korean and, if it has one, in English.
    ///
    /// # Errors
    /// A name that is empty or too long.
    pub fn named(self, korean: &str, english: Option<&str>) -> Result<Self, BrandError> {
        let fits = |name: &str| (1..=NAME_CHARACTERS_MAX).contains(&name.trim().chars().count());
        let english = english.unwrap_or(korean);
        if !fits(korean) || !fits(english) {
            return Err(BrandError::Name);
        }
        let name = Text::made(korean.trim().to_owned(), english.trim().to_owned());
        Ok(Self { name, ..self })
    }

    /// With another colour, `#rrggbb`.
    ///
    /// # Errors
    /// What is no colour, and one on which white cannot be read.
    pub fn coloured(self, color: &str) -> Result<Self, BrandError> {
        let colour = Colour::parse(color).ok_or(BrandError::Color)?;
        if colour.is_readable_under_white() { Ok(Self { colour, ..self }) } else { Err(BrandError::TooLight) }
    }

    /// With a picture.
    ///
    /// # Errors
    /// What is no PNG, or too large.
    pub fn with_logo(self, logo: Vec<u8>) -> Result<Self, BrandError> {
        let fits = logo.starts_with(&PNG) && logo.len() <= LOGO_BYTES_MAX;
        if fits { Ok(Self { logo: Some(logo), ..self }) } else { Err(BrandError::Logo) }
    }

    /// With what people agree to when they join.
    ///
    /// # Errors
    /// A text that is empty or too long.
    pub fn with_texts(self, terms: Option<String>, privacy: Option<String>) -> Result<Self, BrandError> {
        for (name, text) in [("brand.terms_file", &terms), ("brand.privacy_file", &privacy)] {
            let length = text.as_ref().map_or(1, |text| text.trim().len());
            if !(1..=TEXT_BYTES_MAX).contains(&length) {
                return Err(BrandError::Text(name));
            }
        }
        Ok(Self { terms, privacy, ..self })
    }

    /// With whom a person asks about the box itself.
    #[must_use]
    pub fn with_contact(self, contact: Option<&str>) -> Self {
        let contact = contact.map(str::trim).filter(|contact| !contact.is_empty()).map(str::to_owned);
        Self { contact, ..self }
    }

    /// What somebody who joins agrees to, word for word.
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
