//! Masks personal values for operators: recognisable, but not readable.

/// `01012345678` as `010****5678`.
pub fn phone_number(value: &str) -> String {
    let digits: Vec<char> = value.chars().collect();
    if digits.len() < 8 {
        return "*".repeat(digits.len());
    }
    let tail: String = digits[digits.len() - 4..].iter().collect();
    let head: String = digits[..3].iter().collect();
    format!("{head}{}{tail}", "*".repeat(digits.len() - 7))
}

/// `홍길동` as `홍*동`, `홍길` as `홍*`.
pub fn name(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    match letters.as_slice() {
        [] => String::new(),
        [_] => "*".to_owned(),
        [first, _] => format!("{first}*"),
        [first, middle @ .., last] => format!("{first}{}{last}", "*".repeat(middle.len())),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_middle_is_hidden() {
        assert_eq!(super::phone_number("01012345678"), "010****5678");
        assert_eq!(super::phone_number("0101234567"), "010***4567");
        assert_eq!(super::phone_number("0101"), "****");
        assert_eq!(super::name("홍길동"), "홍*동");
        assert_eq!(super::name("홍길"), "홍*");
        assert_eq!(super::name("홍"), "*");
    }
}
