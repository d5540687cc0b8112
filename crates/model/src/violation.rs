//! A violated contract rule: the member and the rule, as text in both languages, never with the value itself,
//! which may be personal.

use std::fmt::{self, Write};

use crate::lang::{Lang, Text, clip_message};

/// A kind of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonKind {
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Null => ("null", "null"),
            Self::Boolean => ("참/거짓(boolean)", "a boolean"),
            Self::Integer => ("정수(integer)", "an integer"),
            Self::Number => ("숫자(number)", "a number"),
            Self::String => ("문자열(string)", "a string"),
            Self::Array => ("배열(array)", "an array"),
            Self::Object => ("객체(object)", "an object"),
        }
    }
}

/// A rule of SPEC 4 that a member violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is required, but absent, null or a string without visible characters.
    Missing,
    /// It has another JSON type than the contract defines.
    WrongType {
        /// The type that the contract defines.
        expected: JsonKind,
        /// The actual type.
        found: JsonKind,
    },
    /// More characters than allowed, or fewer.
    Length {
        /// Least number of characters.
        min: usize,
        /// Greatest number of characters.
        max: usize,
    },
    /// A number outside its range.
    Range {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// Not 10 or 11 digits.
    PhoneDigits,
    /// Not `YYYYMMDD`, or not a real date.
    Date,
    /// A birthday after today.
    FutureDate,
    /// A deadline that is not in the future.
    PastDeadline,
    /// Both or neither of `read_expired_at` and `read_expired_sec`.
    ExactlyOneDeadline,
    /// A control character that the member may not hold.
    ControlCharacter,
    /// A character that changes the text direction.
    DirectionCharacter,
    /// Not an absolute http or https URL in the syntax of RFC 3986.
    Url,
    /// A link with user info.
    UrlUser,
    /// A link whose query contains a reserved parameter.
    UrlReserved,
    /// Not a category of the contract.
    UnknownCategory,
    /// Required because the contract is certified.
    RequiredByCertifiedContract,
    /// The external id occurs more than once in the request.
    DuplicateExternalId,
    /// Another document with this external id was sent under the same idempotency key.
    AnotherUnderTheKey,
    /// The value is unreadable: a duplicate member, a broken escape, a number out of range.
    Unreadable,
    /// Not six digits.
    PinDigits,
    /// Not an e-mail address.
    Email,
    /// Not a type of event, or an empty list of them.
    UnknownEventType,
    /// None of `pin`, `certificate` and `none`.
    UnknownAuthentication,
    /// None of `platform`, `institution` and `none`.
    UnknownNotice,
    /// Not the id of an agency.
    UnknownAgency,
    /// Not a list of networks.
    Networks,
    /// Both or neither of a receiver and an external id.
    ReceiverOrExternalId,
    /// Not a document's id.
    Binder,
    /// A last day before the first, or more than 31 days.
    SearchDays,
    /// Not a status of a report.
    UnknownReceiptStatus,
    /// Not `YYYY-MM-DD`, or not a real date.
    Day,
    /// A last day that is before the first, in the past, or a year or more after the first; or a first day
    /// more than two years ahead.
    LastDay,
}

impl Rule {
    #[allow(clippy::too_many_lines, reason = "a table of messages, one entry a rule")]
    /// The description of the error, without the member.
    pub fn text(self) -> Text {
        match self {
            Self::Missing => {
                Text::fixed("필수 항목이 없거나 비어 있습니다", "is required and missing or blank")
            }
            Self::WrongType { expected, found } => {
                let ((eko, een), (fko, fen)) = (expected.text(), found.text());
                Text::made(
                    format!("{eko} 값이어야 하는데 {fko} 값이 왔습니다"),
                    format!("must be {een}, found {fen}"),
                )
            }
            Self::Length { min, max } => Text::made(
                format!("{min}자 이상 {max}자 이하여야 합니다"),
                format!("must be {min} to {max} characters long"),
            ),
            Self::Range { min, max } => Text::made(
                format!("{min} 이상 {max} 이하의 정수여야 합니다"),
                format!("must be an integer from {min} to {max}"),
            ),
            Self::PhoneDigits => Text::fixed("숫자 10~11자리여야 합니다", "must be 10 or 11 digits"),
            Self::Date => Text::fixed(
                "YYYYMMDD 형식의 실제 날짜여야 합니다",
                "must be a real date in the form YYYYMMDD",
            ),
            Self::FutureDate => Text::fixed("미래의 날짜일 수 없습니다", "must not lie in the future"),
            Self::PastDeadline => Text::fixed("현재보다 미래의 시각이어야 합니다", "must lie in the future"),
            Self::ExactlyOneDeadline => Text::fixed(
                "read_expired_at과 read_expired_sec 중 정확히 하나만 있어야 합니다",
                "exactly one of read_expired_at and read_expired_sec must be given",
            ),
            Self::ControlCharacter => Text::fixed(
                "허용되지 않는 제어 문자가 있습니다",
                "holds a control character that is not allowed",
            ),
            Self::DirectionCharacter => Text::fixed(
                "글자 방향을 바꾸는 제어 문자(U+202A~202E, U+2066~2069)는 쓸 수 없습니다",
                "holds a bidirectional control character (U+202A to 202E, U+2066 to 2069)",
            ),
            Self::Url => Text::fixed(
                "http 또는 https로 시작하는 절대 주소여야 하고, 한글이나 공백은 퍼센트 인코딩(RFC 3986)해야 합니다",
                "must be an absolute http or https URL, percent-encoded where RFC 3986 asks for it",
            ),
            Self::UrlUser => {
                Text::fixed("주소에 사용자 정보(user@)를 넣을 수 없습니다", "must not hold user info (user@)")
            }
            Self::UrlReserved => Text::fixed(
                "주소의 쿼리에 token, document_binder_uuid, external_document_uuid가 이미 있으면 안 됩니다",
                "its query must not already hold token, document_binder_uuid or external_document_uuid",
            ),
            Self::UnknownCategory => Text::fixed(
                "Default, BILL, BILL_PAY, NOTICE, CONTRACT, REPORT 중 하나여야 합니다",
                "must be one of Default, BILL, BILL_PAY, NOTICE, CONTRACT, REPORT",
            ),
            Self::RequiredByCertifiedContract => {
                Text::fixed("공인 계약에서는 필수입니다", "is required under a certified contract")
            }
            Self::DuplicateExternalId => Text::fixed(
                "한 요청 안에서 같은 값이 두 번 이상 쓰였습니다",
                "stands more than once in this request",
            ),
            Self::AnotherUnderTheKey => Text::fixed(
                "같은 Idempotency-Key로 먼저 보낸 문서와 내용이 다릅니다",
                "differs from the document that was sent first under this Idempotency-Key",
            ),
            Self::Unreadable => Text::fixed(
                "읽을 수 없습니다(중복된 항목, 잘못된 이스케이프, 범위를 벗어난 숫자)",
                "cannot be read (a member given twice, a broken escape or a number out of range)",
            ),
            Self::PinDigits => Text::fixed("숫자 6자리여야 합니다", "must be 6 digits"),
            Self::Email => Text::fixed(
                "hana@example.kr과 같은 전자우편 주소여야 합니다(이름 없이 주소 하나만)",
                "must be one e-mail address such as hana@example.kr, without a name",
            ),
            Self::UnknownEventType => Text::fixed(
                "document.accepted와 같은 이벤트 종류를 적어야 합니다",
                "must be a type of event, such as document.accepted",
            ),
            Self::UnknownAuthentication => {
                Text::fixed("pin, certificate, none 중 하나여야 합니다", "must be pin, certificate or none")
            }
            Self::UnknownAgency => Text::fixed("없는 대행사입니다", "there is no such agency"),
            Self::Networks => Text::fixed(
                "203.0.113.7/32 같은 IPv4나 IPv6 네트워크 1~64개의 목록이어야 합니다",
                "must be a list of 1 to 64 IPv4 or IPv6 networks such as 203.0.113.7/32",
            ),
            Self::ReceiverOrExternalId => Text::fixed(
                "receiver와 external_document_uuid 가운데 하나만 있어야 합니다",
                "either a receiver or an external_document_uuid must be given",
            ),
            Self::Binder => Text::fixed("문서 번호(BIN-…)여야 합니다", "must be a document's id, BIN-…"),
            Self::SearchDays => Text::fixed(
                "첫날 이후여야 하고, 한 번에 31일까지 찾습니다",
                "must not lie before the first day; 31 days can be searched at once",
            ),
            Self::UnknownNotice => Text::fixed(
                "platform, institution, none 중 하나여야 합니다",
                "must be platform, institution or none",
            ),
            Self::UnknownReceiptStatus => Text::fixed(
                "delivered, fallback, failed 중 하나여야 합니다",
                "must be delivered, fallback or failed",
            ),
            Self::Day => Text::fixed(
                "YYYY-MM-DD 형식의 실제 날짜여야 합니다",
                "must be a real date in the form YYYY-MM-DD",
            ),
            Self::LastDay => Text::fixed(
                "첫날 이후이고 아직 지나지 않은 날이어야 하며, 기간은 1년, 시작은 2년 뒤까지입니다",
                "must not lie before the first day or before today, nor a year or more after it; plans begin within two years",
            ),
        }
    }
}

/// A rule, and the member of the document that violates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path from the document, such as `receiver.birthday`; empty for the document itself.
    pub member: &'static str,
    /// The element of `member`, if that is an array.
    pub index: Option<usize>,
    /// The violated rule.
    pub rule: Rule,
}

/// The location of a document in its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The document of a single send, `document`.
    Single,
    /// A document of a bulk send, `documents[i]`.
    Bulk(usize),
    /// An element of a body that is an array.
    Element(usize),
    /// The body itself, as in the operator's and the sandbox's calls.
    Body,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single => f.write_str("document"),
            Self::Bulk(i) => write!(f, "documents[{i}]"),
            Self::Element(i) => write!(f, "[{i}]"),
            Self::Body => Ok(()),
        }
    }
}

impl Violation {
    /// `member` violates `rule`.
    pub fn new(member: &'static str, rule: Rule) -> Self {
        Self { member, index: None, rule }
    }

    fn path(&self, place: Place) -> String {
        let mut path = place.to_string();
        if !path.is_empty() && !self.member.is_empty() {
            path.push('.');
        }
        path.push_str(self.member);
        if let Some(i) = self.index {
            let _ = write!(path, "[{i}]");
        }
        path
    }
}

/// All violations of a document, in one message of at most 500 characters.
pub fn message(violations: &[Violation], place: Place, lang: Lang) -> String {
    let mut message = String::new();
    for violation in violations {
        if !message.is_empty() {
            message.push_str("; ");
        }
        let path = violation.path(place);
        if !path.is_empty() {
            message.push_str(&path);
            message.push_str(": ");
        }
        message.push_str(violation.rule.text().in_lang(lang));
    }
    clip_message(&mut message);
    message
}

/// [`message`] in both languages.
pub fn text(violations: &[Violation], place: Place) -> Text {
    Text::made(message(violations, place, Lang::Ko), message(violations, place, Lang::En))
}
