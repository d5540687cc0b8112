//! A brand's colour, readable in light and dark mode (WCAG 2.2: a contrast of 4.5).

const READABLE: f64 = 4.5;
/// The background of text in dark mode.
const NIGHT: Colour = Colour([0x1e, 0x24, 0x2d]);
const WHITE: Colour = Colour([0xff; 3]);

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour([u8; 3]);

impl Default for Colour {
    fn default() -> Self {
        Self([0x1d, 0x4f, 0x91])
    }
}

impl Colour {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits =
            text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    pub(crate) fn is_readable_under_white(self) -> bool {
        self.contrast(WHITE) >= READABLE
    }

    /// The same colour, lightened until it is readable in dark mode.
    pub(crate) fn by_night(self) -> Self {
        let lighter = (0..=20).map(|step| self.mixed_with_white(f64::from(step) / 20.0));
        lighter.into_iter().find(|colour| colour.contrast(NIGHT) >= READABLE + 2.0).unwrap_or(WHITE)
    }

    pub(crate) fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    fn mixed_with_white(self, share: f64) -> Self {
        Self(self.0.map(|part| (f64::from(part) + (255.0 - f64::from(part)) * share).round() as u8))
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_readable_by_day_and_by_night() {
        assert!((WHITE.contrast(Colour([0; 3])) - 21.0).abs() < 0.01);
        for text in ["#1d4f91", "#0a5c36", "#7a1f2b", "#000000", "#444444"] {
            let colour = Colour::parse(text).expect("a colour");
            assert_eq!(colour.css(), text);
            assert!(colour.is_readable_under_white(), "{text}");
            assert!(colour.by_night().contrast(NIGHT) >= READABLE, "{text} by night");
        }
        for text in ["", "#12345", "#1234567", "#12345g", "123456", "#가나"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
        assert!(!Colour::parse("#8db8f2").expect("a colour").is_readable_under_white());
    }
}
