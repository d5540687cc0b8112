//! The visibility of characters (SPEC 4).

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// Letters in Unicode that are displayed as blank: the Hangul filler and the Braille blank.
const BLANK_LETTERS: [char; 2] = ['\u{3164}', '\u{2800}'];

/// Whether a character is invisible without being white space: a joiner, a direction mark, a filler.
pub fn is_ignorable(c: char) -> bool {
    // Fast path: most characters are ASCII or Hangul syllables.
    !c.is_ascii()
        && !('가'..='힣').contains(&c)
        && (BLANK_LETTERS.contains(&c) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c))
}

/// Whether a text has visible characters.
pub fn is_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !is_ignorable(c))
}

/// Whether a character overrides the text direction, so that a text can read differently from its content.
pub fn is_bidirectional_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_as_nothing_is_not_visible() {
        for invisible in [
            "",
            " ",
            "\u{200b}",
            "\u{feff}\u{200d}",
            "\u{3164}",
            "\u{2800} ",
            "\u{115f}\u{1160}",
            "\u{ad}",
            "\u{3000}",
            "\u{e0001}",
        ] {
            assert!(!is_visible(invisible), "{invisible:?}");
        }
        for visible in ["a", "가", "\u{200b}가", ".", "\u{1f600}"] {
            assert!(is_visible(visible), "{visible:?}");
        }
        assert!(!is_ignorable('가') && !is_ignorable(' ') && is_ignorable('\u{200c}'));
    }
}
