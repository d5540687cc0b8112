//! Command line errors in Korean.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The Korean message. `None` if clap's output is not an error, or if clap's own message is better.
pub(crate) fn in_korean(error: &Error) -> Option<String> {
    let of = |kind: ContextKind| error.get(kind).map(shown).unwrap_or_default();
    let argument = of(ContextKind::InvalidArg);
    let mut text = match error.kind() {
        ErrorKind::UnknownArgument => format!("'{argument}' 옵션이나 인자는 없습니다"),
        ErrorKind::InvalidSubcommand => {
            format!("'{}' 명령은 없습니다", of(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingRequiredArgument => format!("필요한 것이 빠졌습니다: {argument}"),
        ErrorKind::ArgumentConflict => {
            format!("{argument}: {}와(과) 함께 쓸 수 없습니다", of(ContextKind::PriorArg))
        }
        ErrorKind::InvalidValue if of(ContextKind::InvalidValue).is_empty() => {
            format!("{argument}: 값이 필요합니다")
        }
        ErrorKind::InvalidValue => format!(
            "{argument}: '{}'은(는) 쓸 수 없는 값입니다. 쓸 수 있는 값: {}",
            of(ContextKind::InvalidValue),
            of(ContextKind::ValidValue)
        ),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            // Clap's own text for numbers.
            let why = match why.split_once(" is not in ") {
                Some((_, range)) => format!("허용 범위: {}", range.trim_end_matches(&u64::MAX.to_string())),
                None if why.starts_with("invalid digit") => "정수여야 합니다".to_owned(),
                None => why,
            };
            format!("{argument}: '{}'은(는) 쓸 수 없는 값입니다. {why}", of(ContextKind::InvalidValue))
        }
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument}: 값의 개수가 맞지 않습니다")
        }
        _ => return None,
    };
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        let similar = of(kind);
        if !similar.is_empty() {
            text += "\n비슷한 것: ";
            text += &similar;
        }
    }
    let usage = of(ContextKind::Usage).replace("Usage:", "사용법:");
    if !usage.is_empty() {
        text += "\n\n";
        text += usage.trim();
    }
    Some(text + "\n\n자세한 것은 --help를 보십시오")
}

fn shown(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(several) => several.join(", "),
        ContextValue::StyledStrs(several) => {
            several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn mistakes_are_told_in_korean() {
        let message_of = |arguments: &[&str]| {
            let command = crate::korean::in_language(crate::cli::Cli::command(), seoham_model::Lang::Ko);
            let error = command.try_get_matches_from(arguments).expect_err("a mistake");
            in_korean(&error).unwrap_or_else(|| panic!("{arguments:?}: {error}"))
        };
        for (arguments, expected) in [
            (&["seoham", "sned"][..], "'sned' 명령은 없습니다\n비슷한 것: send"),
            (&["seoham", "send"], "필요한 것이 빠졌습니다: <FILE>"),
            (&["seoham", "send", "a", "--bogus"], "'--bogus' 옵션이나 인자는 없습니다"),
            (&["seoham", "send", "a", "--at-once", "0"], "'0'은(는) 쓸 수 없는 값입니다. 허용 범위: 1..=256"),
            (&["seoham", "send", "a", "--first", "x"], "정수여야 합니다"),
            (&["seoham", "send", "a", "--unknown", "x"], "쓸 수 있는 값: leave, send"),
            (&["seoham", "send", "a", "--rest", "--resume"], "함께 쓸 수 없습니다"),
            (&["seoham", "send", "a", "--result"], "값이 필요합니다"),
        ] {
            let message = message_of(arguments);
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("Usage"), "{message}");
        }
    }
}
