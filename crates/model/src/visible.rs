//! What a person can see of a text (SPEC 4).

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// Shown as nothing although they are letters to Unicode: the Hangul filler and the blank of Braille.
const BLANK_LETTERS: [char; 2] = ['\u{3164}', '\u{2800}'];

/// Whether a character is shown as nothing and no white space either: a joiner, a mark of direction, a filler.
pub fn is_ignorable(c: char) -> bool {
    // Most of what comes is ASCII or a syllable.
    !c.is_ascii()
        && !('가'..='힣').contains(&c)
        && (BLANK_LETTERS.contains(&c) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c))
}

/// Whether anything of a text can be seen.
pub fn is_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !is_ignorable(c))
}

/// Whether a character changes the direction in which others are written: with it a text can read otherwise than
/// it is.
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
