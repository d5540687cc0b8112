//! PINs and passwords: what a new one must be, and trying one.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::clock::seoul_minutes;
use seoham_model::{PersonId, Text};
use seoham_store::accounts::Authentication;
use seoham_store::visits::Attempt;
use seoham_vault::verify_pin_in_turn;

use crate::Inbox;
use crate::trouble::{Trouble, Turn};

fn again(address: &str, title: Text, advice: Text) -> Turn {
    Trouble::new(StatusCode::BAD_REQUEST, title, advice)
        .then(address, Text::fixed("다시 입력하기", "Enter again"))
        .into()
}

/// Whether a text has the form of a PIN.
fn is_pin(text: &SecretString) -> bool {
    let digits = text.expose_secret().as_bytes();
    digits.len() == 6 && digits.iter().all(u8::is_ascii_digit)
}

/// Six digits, the same twice, and none that everybody would try first.
pub(crate) fn check_new_pin(pin: &SecretString, pin_again: &SecretString, address: &str) -> Result<(), Turn> {
    let digits = pin.expose_secret().as_bytes();
    if !is_pin(pin) {
        return Err(again(
            address,
            Text::fixed("PIN은 숫자 6자리입니다", "A PIN has six digits"),
            Text::fixed("숫자 6자리로 정해 주십시오.", "Please choose six digits."),
        ));
    }
    if pin.expose_secret() != pin_again.expose_secret() {
        return Err(again(
            address,
            Text::fixed("두 PIN이 서로 다릅니다", "The two PINs differ"),
            Text::fixed("같은 PIN을 두 번 입력해 주십시오.", "Please enter the same PIN twice."),
        ));
    }
    let same = digits.windows(2).all(|w| w[0] == w[1]);
    let up = digits.windows(2).all(|w| w[1] == w[0] + 1);
    let down = digits.windows(2).all(|w| w[0] == w[1] + 1);
    if same || up || down {
        return Err(again(
            address,
            Text::fixed("너무 쉬운 PIN입니다", "The PIN is too easy to guess"),
            Text::fixed(
                "같은 숫자나 이어지는 숫자만으로는 정할 수 없습니다.",
                "It must not be one digit repeated or digits in a row.",
            ),
        ));
    }
    Ok(())
}

/// A certificate's password: at least ten characters, the same twice.
pub(crate) fn check_new_password(password: &SecretString, password_again: &SecretString) -> Result<(), Turn> {
    let length = password.expose_secret().chars().count();
    if !(10..=64).contains(&length) {
        return Err(again(
            "/settings",
            Text::fixed(
                "인증서 비밀번호는 10자 이상 64자 이하입니다",
                "The password has 10 to 64 characters",
            ),
            Text::fixed("더 긴 비밀번호로 정해 주십시오.", "Please choose a longer one."),
        ));
    }
    if password.expose_secret() != password_again.expose_secret() {
        return Err(again(
            "/settings",
            Text::fixed("두 비밀번호가 서로 다릅니다", "The two passwords differ"),
            Text::fixed("같은 비밀번호를 두 번 입력해 주십시오.", "Please enter the same one twice."),
        ));
    }
    Ok(())
}

/// Tries a secret; `address` is where to try again.
pub(crate) async fn authenticate(
    inbox: &Inbox,
    person: PersonId,
    kind: Authentication,
    tried: SecretString,
    address: &str,
) -> Result<(), Turn> {
    // What cannot be one is a slip of the finger, and no attempt.
    if kind == Authentication::Pin && !is_pin(&tried) {
        return Err(again(
            address,
            Text::fixed("PIN은 숫자 6자리입니다", "A PIN has six digits"),
            Text::fixed(
                "숫자 6자리를 입력해 주십시오. 시도한 횟수에는 들어가지 않습니다.",
                "Please enter six digits. This did not count as an attempt.",
            ),
        ));
    }
    match inbox.store.begin_attempt(person, kind, inbox.now()).await? {
        Attempt::Allowed { hash, left } => {
            if verify_pin_in_turn(hash, tried).await {
                inbox.store.attempt_succeeded(person, kind).await?;
                return Ok(());
            }
            if left == 0 {
                return Err(locked(None));
            }
            Err(Trouble::new(
                StatusCode::FORBIDDEN,
                Text::fixed("인증하지 못했습니다", "That was not right"),
                Text::made(
                    format!("{left}번 더 시도할 수 있습니다. 그 뒤에는 15분 동안 잠깁니다."),
                    format!("You can try {left} more times; then it is locked for 15 minutes."),
                ),
            )
            .then(address, Text::fixed("다시 입력하기", "Try again"))
            .into())
        }
        Attempt::Locked { until } => Err(locked(Some(until))),
        Attempt::NotSet => Err(Trouble::new(
            StatusCode::FORBIDDEN,
            match kind {
                Authentication::Pin => Text::fixed("PIN이 아직 없습니다", "There is no PIN yet"),
                Authentication::Certificate => {
                    Text::fixed("인증서 비밀번호가 아직 없습니다", "There is no certificate password yet")
                }
            },
            Text::fixed("설정에서 먼저 정해 주십시오.", "Please set it in the settings first."),
        )
        .then("/settings", Text::fixed("설정으로", "To the settings"))
        .into()),
    }
}

fn locked(until: Option<seoham_model::UnixSeconds>) -> Turn {
    let advice = match until {
        Some(until) => {
            let until = seoul_minutes(until);
            Text::made(
                format!("5번 잘못 입력하여 잠겼습니다. {until} 이후에 다시 시도해 주십시오."),
                format!("It is locked after five wrong attempts. Please try again after {until} (Seoul)."),
            )
        }
        None => Text::fixed(
            "5번 잘못 입력하여 15분 동안 잠깁니다. 그 뒤에 다시 시도해 주십시오.",
            "After five wrong attempts it is locked for 15 minutes. Please try again then.",
        ),
    };
    Trouble::new(StatusCode::FORBIDDEN, Text::fixed("인증이 잠겼습니다", "Authentication is locked"), advice)
        .then_documents()
        .into()
}
