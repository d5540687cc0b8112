//! The mark that identifies an institution at a glance: its picture, or a colour and letters derived from its
//! name.

/// Colours of the style sheet to choose from (`.m0` to `.m7`).
const COLOURS: u32 = 8;
/// Prefixes of institution names that do not identify them.
const PREFIXES: [&str; 6] = ["주식회사 ", "(주)", "㈜", "재단법인 ", "사단법인 ", "국립"];

/// An institution's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Two letters of its name.
    pub letters: String,
    /// The index of its colour in the style sheet.
    pub colour: u32,
    /// The address of its picture, if it has one.
    pub picture: Option<String>,
}

impl Mark {
    /// The mark of an institution of this name.
    pub fn of(name: &str, picture: Option<String>) -> Self {
        let name = name.trim();
        let distinctive = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let letters: String = distinctive.chars().filter(|c| c.is_alphanumeric()).take(2).collect();
        let sum = name.chars().fold(0_u32, |sum, c| sum.wrapping_mul(31).wrapping_add(u32::from(c)));
        Self { letters, colour: sum % COLOURS, picture }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_made_of_the_name_and_always_the_same() {
        let letters = |name| Mark::of(name, None).letters;
        assert_eq!(letters("가상시청"), "가상");
        assert_eq!(letters("(주)한빛보험"), "한빛");
        assert_eq!(letters(" K-Water"), "KW");
        assert_eq!(letters("△"), "");
        assert_eq!(Mark::of("가상시청", None), Mark::of("가상시청", None));
        assert!(Mark::of("나라은행", None).colour < COLOURS);
    }
}
