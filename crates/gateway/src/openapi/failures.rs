//! The failures of each operation (SPEC 3), with what the server says of them.

use seoham_http::ApiError;
use seoham_model::{ErrorCode, Lang, Text};
use serde_json::{Map, Value, json};

use super::operations::Operation;

/// A failure of a call as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A rule is broken, in a call with a body.
    Invalid,
    /// Single send: nobody matches.
    Unidentified,
    /// The token was used before, or has expired.
    TokenSpent,
    /// No valid access token.
    Unauthorized,
    /// Single send: the receiver refuses the institution.
    Refused,
    /// A read before any token was verified.
    NotVerified,
    /// The sandbox's person cannot open the document now.
    NotOpenable,
    /// A withdrawal of a document that was opened.
    AlreadyOpened,
    /// Events from before what is kept.
    EventsGone,
    /// The webhook is unknown, or another institution's.
    UnknownWebhook,
    /// The contract is unknown, or another institution's.
    UnknownContract,
    /// The document is unknown, or another institution's.
    UnknownDocument,
    /// The token is unknown, or another document's.
    UnknownToken,
    /// The sandbox has no such person.
    UnknownPerson,
    /// The body is too large.
    TooLarge,
    /// The body is no JSON by its `Content-Type`.
    WrongType,
    /// The institution's own limit.
    TooMany,
    /// Our fault.
    Internal,
    /// Not now.
    Unavailable,
}

impl Failure {
    /// Its status and its code.
    fn answer(self) -> (&'static str, ErrorCode) {
        match self {
            Self::Invalid | Self::TokenSpent => ("400", ErrorCode::InvalidValue),
            Self::Unidentified => ("400", ErrorCode::UnidentifiedUser),
            Self::Unauthorized => ("401", ErrorCode::Unauthorized),
            Self::Refused | Self::NotVerified | Self::NotOpenable | Self::AlreadyOpened => {
                ("403", ErrorCode::Forbidden)
            }
            Self::UnknownContract
            | Self::UnknownWebhook
            | Self::UnknownDocument
            | Self::UnknownToken
            | Self::UnknownPerson => ("404", ErrorCode::NotFound),
            Self::EventsGone => ("410", ErrorCode::Gone),
            Self::TooLarge => ("413", ErrorCode::InvalidValue),
            Self::WrongType => ("415", ErrorCode::InvalidValue),
            Self::TooMany => ("429", ErrorCode::TooManyRequests),
            Self::Internal => ("500", ErrorCode::InternalError),
            Self::Unavailable => ("503", ErrorCode::InternalError),
        }
    }

    fn status(self) -> &'static str {
        self.answer().0
    }

    fn code(self) -> &'static str {
        self.answer().1.as_str()
    }

    /// When it happens.
    fn when(self) -> Text {
        match self {
            Self::Invalid => Text::fixed(
                "요청의 형식이나 헤더가 잘못되었습니다(JSON 오류는 줄과 칸까지)",
                "the request or a header is malformed (of JSON with line and column)",
            ),
            Self::Unidentified => {
                Text::fixed("수신자를 찾을 수 없습니다", "the receiver cannot be identified")
            }
            Self::TokenSpent => Text::fixed(
                "이미 사용되었거나 유효 시간이 지난 토큰입니다",
                "the token was used before, or has expired",
            ),
            Self::Unauthorized => Text::fixed(
                "접근 토큰이 없거나 유효하지 않습니다",
                "the access token is missing or not valid",
            ),
            Self::Refused => {
                Text::fixed("수신자가 이 기관의 문서를 거부했습니다", "the receiver refuses this institution")
            }
            Self::NotVerified => {
                Text::fixed("토큰이 검증된 적이 없습니다", "no token of the document was verified yet")
            }
            Self::NotOpenable => Text::fixed(
                "문서함에 아직 없거나 열람기한이 지났습니다",
                "the document is not in the box yet, or its deadline has passed",
            ),
            Self::AlreadyOpened => Text::fixed(
                "수신자가 이미 연 문서이므로 회수할 수 없습니다",
                "the recipient opened the document before",
            ),
            Self::EventsGone => Text::fixed(
                "보관 기간이 지난 이벤트입니다. oldest가 남아 있는 가장 오래된 번호입니다",
                "the events are no longer kept; oldest is the first number that is",
            ),
            Self::UnknownWebhook => Text::fixed(
                "이 기관의 웹훅이 아니거나 없는 웹훅입니다",
                "the webhook is unknown, or another institution's",
            ),
            Self::UnknownContract => Text::fixed(
                "이 기관의 계약이 아니거나 없는 계약입니다",
                "the contract is unknown, closed, or another institution's",
            ),
            Self::UnknownDocument => Text::fixed(
                "이 기관의 문서가 아니거나 없는 문서입니다",
                "the document is unknown, or another institution's",
            ),
            Self::UnknownToken => Text::fixed(
                "이 문서의 토큰이 아니거나 없는 토큰입니다",
                "the token is unknown, or another document's",
            ),
            Self::UnknownPerson => Text::fixed("등록되지 않은 사람입니다", "there is no such person"),
            Self::TooLarge => Text::fixed("본문이 너무 큽니다", "the body is too large"),
            Self::WrongType => Text::fixed(
                "Content-Type이 application/json이 아닙니다",
                "the Content-Type is not application/json",
            ),
            Self::TooMany => Text::fixed(
                "이 기관이 동시에 보내는 요청이 너무 많습니다. Retry-After만큼 기다려 주십시오",
                "too many requests of this institution at once; wait as Retry-After says",
            ),
            Self::Internal => Text::fixed(
                "서버 오류입니다. 발송에서는 접수되었는지 알 수 없습니다",
                "a fault of the server; of a send it is not known whether it was accepted",
            ),
            Self::Unavailable => Text::fixed(
                "지금은 받을 수 없고 접수된 것은 없습니다. Retry-After만큼 기다려 주십시오",
                "not now, and nothing was accepted; wait as Retry-After says",
            ),
        }
    }

    /// What the server says, where it is always the same.
    fn message(self) -> String {
        let said = match self {
            Self::Unauthorized => Some(ApiError::unauthorized()),
            Self::TooMany => Some(ApiError::too_many_requests()),
            Self::Unavailable => Some(ApiError::unavailable()),
            _ => None,
        };
        said.map_or_else(
            || self.when().in_lang(Lang::Ko).to_owned(),
            |error| error.text().in_lang(Lang::Ko).to_owned(),
        )
    }

    fn waits(self) -> bool {
        matches!(self, Self::TooMany | Self::Unavailable)
    }
}

/// Failures of every call.
const OF_ALL: [Failure; 4] =
    [Failure::Unauthorized, Failure::TooMany, Failure::Internal, Failure::Unavailable];
/// Failures of every call with a body.
const OF_BODIES: [Failure; 3] = [Failure::Invalid, Failure::TooLarge, Failure::WrongType];

/// The responses of an operation's failures, by their status.
pub(super) fn responses(operation: &Operation) -> Map<String, Value> {
    let of_bodies = if operation.request.is_some() { OF_BODIES.as_slice() } else { &[] };
    let all = OF_ALL.iter().chain(of_bodies).chain(operation.failures);
    let mut by_status: Map<String, Value> = Map::new();
    for failure in all {
        let when = failure.when();
        let when = format!("{} · {}", when.in_lang(Lang::Ko), when.in_lang(Lang::En));
        match by_status.get_mut(failure.status()) {
            // One status of several failures: each is told, and the first is the example.
            Some(response) => {
                let before = response["description"].as_str().unwrap_or_default();
                response["description"] = format!("{before}\n\n`{}`: {when}", failure.code()).into();
            }
            None => {
                by_status.insert(failure.status().to_owned(), response(*failure, &when));
            }
        }
    }
    by_status
}

/// The body of a failure.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["error_code", "error_message"],
        "properties": {
            "error_code": { "type": "string", "maxLength": 40 },
            "error_message": { "type": "string", "maxLength": 500 },
        },
    })
}

fn response(failure: Failure, when: &str) -> Value {
    let mut response = json!({
        "description": format!("`{}`: {when}", failure.code()),
        "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Error" },
            "example": { "error_code": failure.code(), "error_message": failure.message() },
        } },
    });
    if failure.waits() {
        response["headers"] = json!({ "Retry-After": {
            "description": "기다릴 시간(초) · seconds to wait", "schema": { "type": "integer" },
        } });
    }
    response
}
