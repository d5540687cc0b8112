//! The error of an item that is not accepted (SPEC 5).

use seoham_model::violation::{Place, Violation, message};
use seoham_model::{ErrorCode, Lang, Text};
use seoham_store::people::Identified;

/// Why a document is not accepted.
pub(super) enum Refusal {
    /// Rules of SPEC 4 are broken.
    Broken(Vec<Violation>),
    /// No person matches.
    NotFound,
    /// The person refuses the institution.
    Refused,
    /// Any unexpected failure.
    Internal,
    /// Replay of the first refusal under the same key, verbatim.
    Prior(ErrorCode, Text),
}

const NOT_FOUND: Text = Text::fixed("일치하는 수신자가 없습니다", "no person matches the receiver");
const REFUSED: Text = Text::fixed(
    "수신자가 이 기관의 문서를 수신거부했습니다",
    "the receiver refuses this institution's documents",
);
const INTERNAL: Text = Text::fixed(
    "처리 중 오류가 발생하여 접수되지 않았습니다",
    "an error occurred and the item was not accepted",
);

impl Refusal {
    /// The refusal of an identified receiver, or the receiver.
    pub(super) fn of(identified: Identified) -> Result<seoham_store::people::Recipient, Self> {
        match identified {
            Identified::Found(recipient) => Ok(recipient),
            Identified::NotFound => Err(Self::NotFound),
            Identified::Refused => Err(Self::Refused),
            Identified::Breaks => Err(Self::Internal),
        }
    }

    /// The code of a bulk item.
    pub(super) fn item_code(&self) -> ErrorCode {
        match self {
            Self::Broken(_) => ErrorCode::InvalidValue,
            Self::NotFound => ErrorCode::NotFound,
            Self::Refused => ErrorCode::Forbidden,
            Self::Internal => ErrorCode::InternalError,
            Self::Prior(code, _) => *code,
        }
    }

    /// The error message, with the place of the error.
    pub(super) fn message(&self, place: Place, lang: Lang) -> String {
        let (member, text) = match self {
            Self::Broken(violations) => return message(violations, place, lang),
            Self::NotFound => (".receiver", NOT_FOUND),
            Self::Refused => (".receiver", REFUSED),
            Self::Internal => ("", INTERNAL),
            Self::Prior(_, text) => return text.in_lang(lang).to_owned(),
        };
        format!("{place}{member}: {}", text.in_lang(lang))
    }

    /// [`Refusal::message`] in both languages.
    pub(super) fn text(&self, place: Place) -> Text {
        Text::made(self.message(place, Lang::Ko), self.message(place, Lang::En))
    }
}
