//! What is said of each operation besides its types: its id, its Korean, its failures and its examples. The English
//! stands with the routes. Examples are posted as they are by a test.

use super::failures::Failure;

/// An operation of the published API.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) korean_summary: &'static str,
    pub(super) korean_description: &'static str,
    /// Its own failures, beside those of every call.
    pub(super) failures: &'static [Failure],
    /// A body, in JSON; none where it takes none.
    pub(super) request: Option<&'static str>,
    /// What stands with the answer, in both languages.
    pub(super) answer_description: &'static str,
    /// The answer, in JSON; none where it has no body.
    pub(super) answer: Option<&'static str>,
}

impl Operation {
    /// Its place in the document, as a JSON Pointer.
    pub(super) fn pointer(&self) -> String {
        format!("/paths/{}/{}", self.path.replace('/', "~1"), self.method)
    }

    /// Whether the bulk listener takes it too.
    pub(super) fn is_bulk(&self) -> bool {
        self.path.starts_with("/v1/documents/bulk")
    }
}

/// A parameter of several operations.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) korean: &'static str,
    /// Where the route says nothing of it.
    pub(super) english: &'static str,
    pub(super) example: Option<&'static str>,
}

pub(super) const PARAMETERS: [Parameter; 10] = [
    Parameter {
        name: "Contract-Uuid",
        korean: "계약 번호",
        english: "CON-…",
        example: Some("CON-019ab2c3d4e57f8090a1b2c3d4e5f607"),
    },
    Parameter {
        name: "Idempotency-Key",
        korean: "출력 가능한 문자 1~64자. 7일 동안 같은 키에는 문서마다 처음 결과를 답합니다",
        english: "1 to 64 printable characters",
        example: None,
    },
    Parameter {
        name: "Seoham-Dry-Run",
        korean: "모두 검사하고 아무것도 접수하지 않습니다",
        english: "check everything, store nothing",
        example: None,
    },
    Parameter {
        name: "binder",
        korean: "문서함 번호",
        english: "BIN-…",
        example: Some("BIN-019ab2c3d4e57f8090a1b2c3d4e5f607"),
    },
    Parameter {
        name: "token",
        korean: "수신자가 가져온 일회용 토큰",
        english: "the one-time token that the recipient brought",
        example: Some("Zb0f3q1h2TnqLx7G0mVb1uJ8c5ySxk4dR9aWvE6pQhM"),
    },
    Parameter {
        name: "webhook",
        korean: "웹훅 번호",
        english: "WHK-…",
        example: Some("WHK-019ab2c3d4e57f8090a1b2c3d4e5f607"),
    },
    Parameter {
        name: "after",
        korean: "마지막으로 읽은 번호. 처음부터 읽으려면 0",
        english: "",
        example: None,
    },
    Parameter {
        name: "limit",
        korean: "한 번에 받을 이벤트 수, 1~1000. 기본은 100",
        english: "",
        example: None,
    },
    Parameter {
        name: "wait",
        korean: "이벤트를 기다릴 시간(초), 0~30. 기본은 0",
        english: "",
        example: None,
    },
    Parameter {
        name: "types", korean: "받을 종류, 쉼표로 구분. 기본은 모두", english: "", example: None
    },
];

const SENT: &str = r#"{"documents": [
    {
        "title": "2026년 제2기분 자동차세 고지서",
        "read_expired_sec": 2592000,
        "common_categories": ["BILL_PAY"],
        "receiver": {"phone_number": "01000000001", "name": "서함시험", "birthday": "19900101"},
        "property": {
            "link": "https://tax.example.kr/notice?year=2026",
            "cs_number": "02-000-0000",
            "cs_name": "세무과",
            "payload": "amount=120000",
            "message": "납부기한은 12월 31일입니다.",
            "external_document_uuid": "TAX-2026-000001"
        }
    },
    {
        "title": "2026년 제2기분 자동차세 고지서",
        "read_expired_sec": 2592000,
        "receiver": {"ci": "SANDBOX-CI-2"},
        "property": {
            "link": "https://tax.example.kr/notice?year=2026",
            "cs_number": "02-000-0000",
            "cs_name": "세무과",
            "external_document_uuid": "TAX-2026-000002"
        }
    }
]}"#;

const SENT_ANSWER: &str = r#"{"documents": [
    {
        "external_document_uuid": "TAX-2026-000001",
        "document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607"
    },
    {
        "external_document_uuid": "TAX-2026-000002",
        "error_code": "FORBIDDEN",
        "error_message": "documents[1].receiver: 수신자가 이 기관의 문서를 수신거부했습니다"
    }
]}"#;

const SENT_ALONE: &str = r#"{"document": {
    "title": "2026년 제2기분 자동차세 고지서",
    "read_expired_sec": 2592000,
    "receiver": {"phone_number": "01000000001", "name": "서함시험", "birthday": "19900101"},
    "property": {
        "link": "https://tax.example.kr/notice?year=2026",
        "cs_number": "02-000-0000",
        "cs_name": "세무과",
        "payload": "amount=120000"
    }
}}"#;

const STATUS: &str = r#"{
    "doc_box_status": "RECEIVED",
    "doc_box_sent_at": 1795359600,
    "doc_box_received_at": 1795359600,
    "payload": "amount=120000"
}"#;

const STATUSES_ANSWER: &str = r#"{"documents": [
    {
        "document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607",
        "status_data": {
            "doc_box_status": "RECEIVED",
            "doc_box_sent_at": 1795359600,
            "doc_box_received_at": 1795359600,
            "payload": "amount=120000"
        }
    },
    {
        "document_binder_uuid": "BIN-00000000000000000000000000000000",
        "error_code": "NOT_FOUND",
        "error_message": "이 기관의 문서가 아니거나 없는 문서입니다"
    }
]}"#;

const VERIFIED: &str = r#"{
    "token_status": "USED",
    "token_expires_at": 1795360500,
    "token_used_at": 1795360205,
    "doc_box_sent_at": 1795359600,
    "doc_box_received_at": 1795359600,
    "authenticated_at": 1795360200,
    "payload": "amount=120000"
}"#;

const EVENTS: &str = r#"{
    "events": [
        {
            "seq": 41,
            "type": "document.accepted",
            "at": 1795359600,
            "document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607",
            "external_document_uuid": "TAX-2026-000001",
            "data": {"doc_box_status": "SENT", "doc_box_sent_at": 1795359600, "payload": "amount=120000"}
        },
        {
            "seq": 42,
            "type": "document.notified",
            "at": 1795359603,
            "document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607",
            "external_document_uuid": "TAX-2026-000001",
            "data": {
                "doc_box_status": "RECEIVED",
                "doc_box_sent_at": 1795359600,
                "doc_box_received_at": 1795359600,
                "user_notified_at": 1795359603,
                "payload": "amount=120000",
                "notified_by": "messenger"
            }
        }
    ],
    "through": 42,
    "more": false,
    "last": 42,
    "epoch": 1
}"#;

const TIMELINE: &str = r#"{"events": [{
        "seq": 41,
        "type": "document.accepted",
        "at": 1795359600,
        "document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607",
        "external_document_uuid": "TAX-2026-000001",
        "data": {"doc_box_status": "SENT", "doc_box_sent_at": 1795359600, "payload": "amount=120000"}
    }]}"#;

pub(super) const OPERATIONS: [Operation; 24] = [
    Operation {
        method: "post",
        path: "/v1/documents/bulk",
        id: "sendDocuments",
        korean_summary: "문서를 1건에서 100건까지 보냅니다",
        korean_description: "문서마다 따로 답합니다. 200을 답하면 접수된 문서는 모두 저장되어 사라지지 않습니다.",
        failures: &[Failure::UnknownContract],
        request: Some(SENT),
        answer_description: "요청의 순서대로 문서마다 하나 · one for each document, in the order of the request",
        answer: Some(SENT_ANSWER),
    },
    Operation {
        method: "post",
        path: "/v1/documents/bulk/status",
        id: "documentStatuses",
        korean_summary: "문서 1건에서 100건의 상태를 조회합니다",
        korean_description: "5초보다 자주 조회하지 마십시오.",
        failures: &[Failure::UnknownContract],
        request: Some(
            r#"{"document_binder_uuids": ["BIN-019ab2c3d4e57f8090a1b2c3d4e5f607", "BIN-00000000000000000000000000000000"]}"#,
        ),
        answer_description: "요청의 순서대로 문서마다 하나 · one for each id, in the order of the request",
        answer: Some(STATUSES_ANSWER),
    },
    Operation {
        method: "post",
        path: "/v1/documents",
        id: "sendDocument",
        korean_summary: "문서를 한 건 보냅니다",
        korean_description: "200을 답하면 문서는 저장되어 사라지지 않습니다.",
        failures: &[Failure::Unidentified, Failure::Refused, Failure::UnknownContract],
        request: Some(SENT_ALONE),
        answer_description: "접수되었습니다 · accepted",
        answer: Some(r#"{"document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607"}"#),
    },
    Operation {
        method: "get",
        path: "/v1/documents/{binder}/status",
        id: "documentStatus",
        korean_summary: "문서 한 건의 상태를 조회합니다",
        korean_description: "시각은 모두 Unix 초이고, 아직 없는 시각은 빠집니다.",
        failures: &[Failure::Invalid, Failure::UnknownDocument, Failure::UnknownContract],
        request: None,
        answer_description: "문서의 상태 · the document's status",
        answer: Some(STATUS),
    },
    Operation {
        method: "get",
        path: "/v1/documents/{binder}/tokens/{token}",
        id: "verifyToken",
        korean_summary: "일회용 토큰을 검증합니다",
        korean_description: "검증하면 사용한 토큰이 됩니다. 두 번째부터는 400입니다.",
        failures: &[Failure::TokenSpent, Failure::UnknownToken, Failure::UnknownContract],
        request: None,
        answer_description: "처음 검증되었습니다 · verified for the first time",
        answer: Some(VERIFIED),
    },
    Operation {
        method: "get",
        path: "/v1/{binder}/tokens/{token}",
        id: "verifyTokenByOldPath",
        korean_summary: "기존 클라이언트의 경로로 토큰을 검증합니다",
        korean_description: "/v1/documents/{binder}/tokens/{token}과 같습니다.",
        failures: &[Failure::TokenSpent, Failure::UnknownToken, Failure::UnknownContract],
        request: None,
        answer_description: "처음 검증되었습니다 · verified for the first time",
        answer: Some(VERIFIED),
    },
    Operation {
        method: "post",
        path: "/v1/documents/{binder}",
        id: "reportRead",
        korean_summary: "기관의 페이지를 보여 주었음을 알립니다",
        korean_description: "다시 알려도 204이며 처음 시각은 바뀌지 않습니다.",
        failures: &[Failure::NotVerified, Failure::UnknownDocument, Failure::UnknownContract],
        request: Some(r#"{"document": {"is_detail_read": true}}"#),
        answer_description: "열람으로 기록되었습니다 · recorded as read",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/v1/documents/{binder}/withdraw",
        id: "withdrawDocument",
        korean_summary: "아직 열지 않은 문서를 회수합니다",
        korean_description: "회수한 문서는 열 수 없고, 아직 나가지 않은 알림은 보내지 않습니다. 상태는 EXPIRED가 되며 다시 요청해도 204입니다.",
        failures: &[Failure::AlreadyOpened, Failure::UnknownDocument, Failure::UnknownContract],
        request: None,
        answer_description: "회수되었습니다 · withdrawn",
        answer: None,
    },
    Operation {
        method: "get",
        path: "/v1/events",
        id: "readEvents",
        korean_summary: "기관의 문서에 일어난 일을 순서대로 읽습니다",
        korean_description: "through까지는 빠진 것이 없습니다. 다음 요청의 after에 through를 넣으십시오. epoch가 바뀌면 처음부터 다시 읽으십시오.",
        failures: &[Failure::Invalid, Failure::EventsGone, Failure::UnknownContract],
        request: None,
        answer_description: "after 다음의 이벤트 · the events after that number",
        answer: Some(EVENTS),
    },
    Operation {
        method: "get",
        path: "/v1/documents/{binder}/timeline",
        id: "documentTimeline",
        korean_summary: "문서 한 건에 일어난 일을 순서대로 조회합니다",
        korean_description: "보관 중인 이벤트를 모두 보여 줍니다.",
        failures: &[Failure::UnknownDocument, Failure::UnknownContract],
        request: None,
        answer_description: "이 문서의 이벤트 · the events of this document",
        answer: Some(TIMELINE),
    },
    Operation {
        method: "get",
        path: "/v1/webhooks",
        id: "listWebhooks",
        korean_summary: "등록한 웹훅과 각각 어디까지 보냈는지 조회합니다",
        korean_description: "state는 active, failing, disabled 가운데 하나입니다.",
        failures: &[Failure::UnknownContract],
        request: None,
        answer_description: "등록한 순서대로 · oldest first",
        answer: Some(
            r#"{"webhooks": [{
        "webhook_id": "WHK-019ab2c3d4e57f8090a1b2c3d4e5f607",
        "url": "https://hooks.example.kr/seoham",
        "created_at": 1795359600,
        "state": "active",
        "through": 42,
        "last_seq": 42,
        "last_attempt": {"at": 1795359603, "first": 41, "last": 42, "result": "taken", "status": 204, "took_millis": 31}
    }]}"#,
        ),
    },
    Operation {
        method: "post",
        path: "/v1/webhooks",
        id: "registerWebhook",
        korean_summary: "이벤트를 받을 주소를 등록합니다",
        korean_description: "서명한 ping에 2xx로 답한 https 주소만 등록되고, 그때부터의 이벤트를 보냅니다. secret은 이 응답에서만 볼 수 있습니다.",
        failures: &[Failure::UnknownContract],
        request: Some(
            r#"{"url": "https://hooks.example.kr/seoham", "types": ["document.read", "document.expired"]}"#,
        ),
        answer_description: "등록되었습니다 · registered",
        answer: Some(
            r#"{"webhook_id": "WHK-019ab2c3d4e57f8090a1b2c3d4e5f607", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8mVb1uJ8c5w="}"#,
        ),
    },
    Operation {
        method: "delete",
        path: "/v1/webhooks/{webhook}",
        id: "removeWebhook",
        korean_summary: "웹훅을 삭제합니다",
        korean_description: "더 보내지 않습니다.",
        failures: &[Failure::UnknownWebhook, Failure::UnknownContract],
        request: None,
        answer_description: "삭제되었습니다 · removed",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/v1/webhooks/{webhook}/enable",
        id: "enableWebhook",
        korean_summary: "정지된 웹훅을 다시 켭니다",
        korean_description: "멈춘 곳부터 바로 이어서 보냅니다.",
        failures: &[Failure::UnknownWebhook, Failure::UnknownContract],
        request: None,
        answer_description: "다시 보냅니다 · enabled",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/v1/webhooks/{webhook}/secret",
        id: "renewWebhookSecret",
        korean_summary: "웹훅의 secret을 바꿉니다",
        korean_description: "24시간 동안 이전 것과 새 것으로 모두 서명합니다.",
        failures: &[Failure::UnknownWebhook, Failure::UnknownContract],
        request: None,
        answer_description: "새 secret · the new secret",
        answer: Some(
            r#"{"webhook_id": "WHK-019ab2c3d4e57f8090a1b2c3d4e5f607", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8mVb1uJ8c5w="}"#,
        ),
    },
    Operation {
        method: "post",
        path: "/v1/webhooks/{webhook}/replay",
        id: "replayWebhook",
        korean_summary: "어느 번호 다음부터 다시 보냅니다",
        korean_description: "정지된 웹훅이면 다시 켭니다.",
        failures: &[Failure::UnknownWebhook, Failure::UnknownContract],
        request: Some(r#"{"after": 0}"#),
        answer_description: "다시 보냅니다 · delivered again",
        answer: None,
    },
    Operation {
        method: "get",
        path: "/v1/webhooks/{webhook}/attempts",
        id: "webhookAttempts",
        korean_summary: "웹훅의 최근 전송 시도를 조회합니다",
        korean_description: "최근 100건을 새것부터 보여 줍니다.",
        failures: &[Failure::UnknownWebhook, Failure::UnknownContract],
        request: None,
        answer_description: "최근 시도 · the last attempts",
        answer: Some(
            r#"{"attempts": [{"at": 1795359603, "first": 41, "last": 42, "result": "refused", "status": 500, "took_millis": 31}]}"#,
        ),
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/documents/{binder}/open",
        id: "sandboxOpen",
        korean_summary: "(시험 환경) 수신자가 인증하고 문서를 엽니다",
        korean_description: "브라우저 없이 8절의 열람과 같이 동작합니다.",
        failures: &[Failure::NotOpenable, Failure::UnknownDocument],
        request: None,
        answer_description: "수신자가 가게 될 주소 · where the recipient is sent",
        answer: Some(
            r#"{"redirect_url": "https://tax.example.kr/notice?year=2026&token=Zb0f3q1h2TnqLx7G0mVb1uJ8c5ySxk4dR9aWvE6pQhM&document_binder_uuid=BIN-019ab2c3d4e57f8090a1b2c3d4e5f607"}"#,
        ),
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/documents/{binder}/notified",
        id: "sandboxNotified",
        korean_summary: "(시험 환경) 메신저의 도착 보고가 지금 옵니다",
        korean_description: "user_notified_at이 채워집니다.",
        failures: &[Failure::UnknownDocument],
        request: None,
        answer_description: "보고되었습니다 · reported",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/people",
        id: "sandboxAddPerson",
        korean_summary: "(시험 환경) 보낼 사람을 추가합니다",
        korean_description: "가상의 사람만 등록하십시오. 늘 있는 사람은 바꿀 수 없습니다.",
        failures: &[],
        request: Some(
            r#"{"phone_number": "01055556666", "name": "김가상", "birthday": "19770707", "member": true, "pin": "112233"}"#,
        ),
        answer_description: "추가되었습니다 · added",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/people/join",
        id: "sandboxJoin",
        korean_summary: "(시험 환경) 사람이 문서함에 가입합니다",
        korean_description: "기다리던 문서가 모두 문서함에 들어갑니다.",
        failures: &[Failure::UnknownPerson],
        request: Some(r#"{"phone_number": "01000000003"}"#),
        answer_description: "가입했습니다 · joined",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/people/refuse",
        id: "sandboxRefuse",
        korean_summary: "(시험 환경) 사람이 이 기관을 수신거부합니다",
        korean_description: "다음 발송부터 거절됩니다.",
        failures: &[Failure::UnknownPerson],
        request: Some(r#"{"phone_number": "01000000005"}"#),
        answer_description: "거부했습니다 · refused",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/people/accept",
        id: "sandboxAccept",
        korean_summary: "(시험 환경) 사람이 수신거부를 풉니다",
        korean_description: "다음 발송부터 접수됩니다.",
        failures: &[Failure::UnknownPerson],
        request: Some(r#"{"phone_number": "01000000005"}"#),
        answer_description: "다시 받습니다 · accepted again",
        answer: None,
    },
    Operation {
        method: "post",
        path: "/sandbox/v1/clock",
        id: "sandboxAdvanceClock",
        korean_summary: "(시험 환경) 서버의 시계를 앞당깁니다",
        korean_description: "모든 기한과 유효 시간이 이 시계를 따릅니다. 0이면 지금 시각만 답합니다.",
        failures: &[],
        request: Some(r#"{"advance_seconds": 0}"#),
        answer_description: "서버의 지금 시각 · the server's time now",
        answer: Some(r#"{"now": 1795359600}"#),
    },
];
