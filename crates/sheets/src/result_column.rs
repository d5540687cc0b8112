//! The columns that a send adds beside each row, in the user's language; a result can be read in either
//! language.

use seoham_model::Lang;

/// A column of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultColumn {
    /// The verdict on the row.
    Verdict,
    /// The document's id, `BIN-…`.
    Binder,
    /// Why it was refused.
    ErrorCode,
    /// The same as text.
    ErrorMessage,
    /// The state of the document.
    Status,
    /// When it was accepted.
    SentAt,
    /// When it entered the box.
    ReceivedAt,
    /// When the notification was delivered.
    NotifiedAt,
    /// When the recipient authenticated to open it.
    AuthenticatedAt,
    /// When a token was verified.
    TokenUsedAt,
    /// When it was reported as read.
    ReadAt,
    /// Why it needs paper mail.
    PostReason,
}

impl ResultColumn {
    /// The columns of a send, in order.
    pub const OF_SEND: [Self; 4] = [Self::Verdict, Self::Binder, Self::ErrorCode, Self::ErrorMessage];

    /// The columns of a status query, in order.
    pub const OF_STATUS: [Self; 7] = [
        Self::Status,
        Self::SentAt,
        Self::ReceivedAt,
        Self::NotifiedAt,
        Self::AuthenticatedAt,
        Self::TokenUsedAt,
        Self::ReadAt,
    ];

    const NAMES: [(Self, &'static str, &'static str); 12] = [
        (Self::Verdict, "발송 결과", "result"),
        (Self::Binder, "문서함 번호", "document_binder_uuid"),
        (Self::ErrorCode, "오류 코드", "error_code"),
        (Self::ErrorMessage, "오류 내용", "error_message"),
        (Self::Status, "문서 상태", "doc_box_status"),
        (Self::SentAt, "접수 시각", "doc_box_sent_at"),
        (Self::ReceivedAt, "문서함 도착 시각", "doc_box_received_at"),
        (Self::NotifiedAt, "알림 도착 시각", "user_notified_at"),
        (Self::AuthenticatedAt, "본인 인증 시각", "authenticated_at"),
        (Self::TokenUsedAt, "토큰 확인 시각", "token_used_at"),
        (Self::ReadAt, "열람 시각", "doc_box_read_at"),
        (Self::PostReason, "우편이 필요한 까닭", "post_reason"),
    ];

    /// Its name.
    pub fn name(self, lang: Lang) -> &'static str {
        name_of(&Self::NAMES, self, lang)
    }

    /// The column of this name, in either language.
    pub fn of(name: &str) -> Option<Self> {
        of_name(&Self::NAMES, name)
    }
}

/// The verdict on a row in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowVerdict {
    /// The platform accepted it.
    Accepted,
    /// The platform refused it.
    Refused,
    /// It is invalid and cannot be sent.
    NotSent,
    /// It was sent, but its outcome is unknown.
    Unknown,
    /// It was not sent yet.
    NotYet,
    /// It is a total.
    Total,
}

impl RowVerdict {
    const NAMES: [(Self, &'static str, &'static str); 6] = [
        (Self::Accepted, "접수", "accepted"),
        (Self::Refused, "거절", "refused"),
        (Self::NotSent, "발송 안 함", "not sent"),
        (Self::Unknown, "확인 필요", "unknown"),
        (Self::NotYet, "아직 보내지 않음", "not sent yet"),
        (Self::Total, "합계 행", "total"),
    ];

    /// Its name in a result.
    pub fn name(self, lang: Lang) -> &'static str {
        name_of(&Self::NAMES, self, lang)
    }

    /// The verdict of this name, in either language.
    pub fn of(name: &str) -> Option<Self> {
        of_name(&Self::NAMES, name)
    }
}

/// The name of a result's sheet of rows to correct.
const CORRECTIONS: [((), &str, &str); 1] = [((), "고칠 행", "to correct")];

/// The name of a result's sheet with the rows to correct.
pub fn corrections(lang: Lang) -> &'static str {
    name_of(&CORRECTIONS, (), lang)
}

/// Whether a sheet contains the corrections of a result: it is not a table of documents.
pub(crate) fn is_corrections(name: &str) -> bool {
    of_name(&CORRECTIONS, name.trim_end_matches(" (2)")).is_some()
}

/// The name of `value` in a table of names with Korean before English.
fn name_of<T: Copy + PartialEq>(
    names: &[(T, &'static str, &'static str)],
    value: T,
    lang: Lang,
) -> &'static str {
    let known = names.iter().find(|(known, ..)| *known == value);
    known.map_or("", |(_, ko, en)| match lang {
        Lang::Ko => ko,
        Lang::En => en,
    })
}

/// The value of `name` in a table of names, in either language.
fn of_name<T: Copy>(names: &[(T, &'static str, &'static str)], name: &str) -> Option<T> {
    let name = name.trim();
    names.iter().find(|(_, ko, en)| [ko, en].contains(&&name)).map(|(known, ..)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_either_language_and_mean_one_thing() {
        for lang in [Lang::Ko, Lang::En] {
            for (column, ..) in ResultColumn::NAMES {
                assert_eq!(ResultColumn::of(column.name(lang)), Some(column));
            }
            for (verdict, ..) in RowVerdict::NAMES {
                assert_eq!(RowVerdict::of(verdict.name(lang)), Some(verdict));
            }
        }
        assert_eq!((ResultColumn::of("결과"), RowVerdict::of("")), (None, None));
    }
}
