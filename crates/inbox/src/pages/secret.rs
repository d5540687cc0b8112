//! PINs and passwords: validates new ones, and checks attempts.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{PersonId, Text, UnixSeconds};
use seoham_pages::{Field, FieldKind, Mistakes, Site};
use seoham_store::visits::{Attempt, LOCKED_SECONDS, Secret};
use seoham_vault::{PinHash, verify_pin_bounded};

use super::words;
use crate::Inbox;
use crate::page_exit::PageExit;

const PIN_DIGITS: usize = 6;
const PASSWORD_CHARACTERS: std::ops::RangeInclusive<usize> = 10..=64;

/// The six digits of a PIN as typed or pasted: blanks and dashes are ignored.
fn pin(text: &SecretString) -> Option<SecretString> {
    let digits: String = text.expose_secret().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (digits.len() == PIN_DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.into())
}

/// Whether a text is valid as a certificate password.
fn is_password(text: &SecretString) -> bool {
    PASSWORD_CHARACTERS.contains(&text.expose_secret().chars().count())
}

/// Validates a new PIN: six digits, the same in both fields, and not among the easily guessed ones. Adds
/// errors to `mistakes`.
pub(crate) fn check_new_pin(
    typed: &SecretString,
    typed_again: &SecretString,
    mistakes: &mut Mistakes,
) -> Option<SecretString> {
    let Some(new) = pin(typed) else {
        mistakes.add("pin", Text::fixed("PIN을 숫자 6자리로 정해 주십시오.", "Please choose six digits."));
        return None;
    };
    let digits = new.expose_secret().as_bytes();
    let same = digits.windows(2).all(|w| w[0] == w[1]);
    let up = digits.windows(2).all(|w| w[1] == w[0] + 1);
    let down = digits.windows(2).all(|w| w[0] == w[1] + 1);
    if same || up || down {
        let text = Text::fixed(
            "같은 숫자만 쓰거나 이어지는 숫자로는 정하실 수 없습니다.",
            "It must not be one digit repeated or digits in a row.",
        );
        mistakes.add("pin", text);
        return None;
    }
    if pin(typed_again).is_none_or(|again| again.expose_secret() != new.expose_secret()) {
        let text = Text::fixed("위에 입력하신 PIN과 다릅니다.", "It differs from the PIN above.");
        mistakes.add("pin_again", text);
        return None;
    }
    Some(new)
}

/// The two fields of a new PIN.
pub(crate) fn new_pin_fields(site: &Site, mistakes: &Mistakes) -> [Field; 2] {
    let first = Text::fixed("새 PIN (숫자 6자리)", "New PIN (six digits)");
    let again = Text::fixed("새 PIN 다시 입력", "New PIN again");
    [
        Field::new(site, FieldKind::Pin, "pin", &first, mistakes),
        Field::new(site, FieldKind::Pin, "pin_again", &again, mistakes),
    ]
}

/// Validates a certificate password: at least ten characters, the same in both fields. Adds errors to
/// `mistakes`.
pub(crate) fn check_new_password(
    password: &SecretString,
    password_again: &SecretString,
    mistakes: &mut Mistakes,
) {
    if !is_password(password) {
        let text = Text::fixed("10자 이상 64자 이하로 정해 주십시오.", "Please choose 10 to 64 characters.");
        mistakes.add("password", text);
    } else if password.expose_secret() != password_again.expose_secret() {
        let text = Text::fixed("위에 입력하신 비밀번호와 다릅니다.", "It differs from the password above.");
        mistakes.add("password_again", text);
    }
}

/// The two fields of a new certificate password.
pub(crate) fn new_password_fields(site: &Site, mistakes: &Mistakes) -> [Field; 2] {
    let first =
        Text::fixed("새 인증서 비밀번호 (10자 이상)", "New certificate password (10 characters or more)");
    let again = Text::fixed("새 인증서 비밀번호 다시 입력", "New certificate password again");
    [
        Field::new(site, FieldKind::NewPassword, "password", &first, mistakes),
        Field::new(site, FieldKind::NewPassword, "password_again", &again, mistakes),
    ]
}

/// Why a secret was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Malformed: a typing error, which costs no attempt.
    Malformed,
    /// It was wrong.
    Wrong {
        /// How many more attempts are left.
        left: u32,
    },
    /// Locked until this time.
    Locked { until: UnixSeconds },
    /// None is set yet.
    NotSet,
}

impl Refused {
    pub(crate) fn status(self) -> StatusCode {
        if self == Self::Malformed { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN }
    }

    /// The message at the field.
    pub(crate) fn text(self, secret: Secret) -> Text {
        match (self, secret) {
            (Self::Malformed, Secret::Certificate) => Text::fixed(
                "인증서 비밀번호는 10자 이상 64자 이하입니다. 시도하신 횟수에는 들어가지 않습니다.",
                "The password has 10 to 64 characters. This did not count as an attempt.",
            ),
            (Self::Malformed, Secret::Pin) => Text::fixed(
                "PIN은 숫자 6자리입니다. 시도하신 횟수에는 들어가지 않습니다.",
                "A PIN has six digits. This did not count as an attempt.",
            ),
            (Self::Wrong { left }, Secret::Pin) => Text::made(
                format!("PIN이 맞지 않습니다. {left}번 더 입력하실 수 있습니다."),
                format!("That is not your PIN. {}.", words::tries_left(left)),
            ),
            (Self::Wrong { left }, Secret::Certificate) => Text::made(
                format!("인증서 비밀번호가 맞지 않습니다. {left}번 더 입력하실 수 있습니다."),
                format!("That is not your certificate password. {}.", words::tries_left(left)),
            ),
            (Self::Locked { until }, _) => locked(until),
            (Self::NotSet, Secret::Pin) => Text::fixed("PIN이 아직 없습니다.", "There is no PIN yet."),
            (Self::NotSet, Secret::Certificate) => Text::fixed(
                "인증서 비밀번호를 아직 정하지 않으셨습니다.",
                "There is no certificate password yet.",
            ),
        }
    }
}

/// The message about a lock.
pub(crate) fn locked(until: UnixSeconds) -> Text {
    let moment = |lang| words::from_moment(until, lang);
    Text::made(
        format!(
            "5번 잘못 입력하여 잠겼습니다. {}부터 다시 입력하실 수 있습니다.",
            moment(seoham_model::Lang::Ko)
        ),
        format!(
            "Locked after five wrong attempts. You can try again from {}.",
            moment(seoham_model::Lang::En)
        ),
    )
}

/// Checks a secret; returns the verified hash, so that a change can replace exactly that one.
pub(crate) async fn authenticate(
    inbox: &Inbox,
    person: PersonId,
    secret: Secret,
    typed: SecretString,
) -> Result<Result<PinHash, Refused>, PageExit> {
    let tried = match secret {
        Secret::Pin => pin(&typed),
        Secret::Certificate => Some(typed).filter(is_password),
    };
    let Some(tried) = tried else { return Ok(Err(Refused::Malformed)) };
    let now = inbox.now();
    let refused = match inbox.store.begin_attempt(person, secret, now).await? {
        Attempt::Allowed { hash, left } => {
            if verify_pin_bounded(hash.clone(), tried).await {
                inbox.store.attempt_succeeded(person, secret).await?;
                return Ok(Ok(hash));
            }
            if left == 0 {
                Refused::Locked { until: now.plus(LOCKED_SECONDS) }
            } else {
                Refused::Wrong { left }
            }
        }
        Attempt::Locked { until } => Refused::Locked { until },
        Attempt::NotSet => Refused::NotSet,
    };
    Ok(Err(refused))
}

#[cfg(test)]
mod tests {
    use seoham_model::Lang;

    use super::*;

    #[test]
    fn a_new_pin_is_six_digits_twice_and_not_an_easy_one() {
        let check = |typed: &str, again: &str| {
            let mut mistakes = Mistakes::none();
            let new = check_new_pin(&typed.into(), &again.into(), &mut mistakes);
            let wrong = ["pin", "pin_again"].into_iter().find(|name| mistakes.of(name, Lang::En).is_some());
            (new.map(|pin| pin.expose_secret().to_owned()), wrong)
        };
        let good = |pin: &str| (Some(pin.to_owned()), None);
        assert_eq!(check("135790", "135790"), good("135790"));
        assert_eq!(check(" 135 790 ", "135-790"), good("135790"), "as it is pasted");
        for typed in ["", "13579", "1357900", "13579a", "１３５７９０", "111111", "123456", "654321"] {
            assert_eq!(check(typed, typed), (None, Some("pin")), "{typed}");
        }
        assert_eq!(check("135790", "135791"), (None, Some("pin_again")));
        assert_eq!(check("135790", ""), (None, Some("pin_again")));
    }

    #[test]
    fn a_new_password_is_long_enough_and_the_same_twice() {
        let wrong = |password: &str, again: &str| {
            let mut mistakes = Mistakes::none();
            check_new_password(&password.into(), &again.into(), &mut mistakes);
            ["password", "password_again"].into_iter().find(|name| mistakes.of(name, Lang::Ko).is_some())
        };
        assert_eq!(wrong("가나다라마바사아자차", "가나다라마바사아자차"), None);
        assert_eq!(wrong("짧습니다", "짧습니다"), Some("password"));
        assert_eq!(wrong(&"a".repeat(65), &"a".repeat(65)), Some("password"));
        assert_eq!(wrong("longenough1", "longenough2"), Some("password_again"));
    }
}
