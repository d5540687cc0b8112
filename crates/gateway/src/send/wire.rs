//! The request bodies for the OpenAPI document. The model parses the real bodies member by member; these
//! types only describe them.

#![allow(dead_code, reason = "described, never built")]

use utoipa::ToSchema;

#[derive(ToSchema)]
#[schema(as = BulkSend)]
pub(super) struct BulkSend {
    /// 1 to 100 documents.
    #[schema(min_items = 1, max_items = 100)]
    documents: Vec<Document>,
}

#[derive(ToSchema)]
#[schema(as = SingleSend)]
pub(super) struct SingleSend {
    document: Document,
}

/// Exactly one of `read_expired_at` and `read_expired_sec` is required.
#[derive(ToSchema)]
#[schema(as = Document)]
pub(super) struct Document {
    #[schema(min_length = 1, max_length = 40, example = "2026년 1기분 자동차세 고지서")]
    title: String,
    /// Deadline to open, Unix seconds, in the future.
    read_expired_at: Option<i64>,
    /// Deadline relative to acceptance, in seconds.
    #[schema(minimum = 1, maximum = 99_999_999, example = 2_592_000)]
    read_expired_sec: Option<i64>,
    /// The institution's hash of the original; required under a certified contract, dropped under any other if it is none.
    #[schema(max_length = 99)]
    hash: Option<String>,
    /// Of `Default`, `BILL`, `BILL_PAY`, `NOTICE`, `CONTRACT`, `REPORT`; letter case is free.
    common_categories: Option<Vec<String>>,
    receiver: Receiver,
    property: Property,
}

/// `ci` alone, beside which nothing else is looked at, or telephone number, name and birthday.
#[derive(ToSchema)]
#[schema(as = Receiver)]
pub(super) struct Receiver {
    #[schema(max_length = 88)]
    ci: Option<String>,
    #[schema(pattern = "^[0-9]{10,11}$", example = "01000000001")]
    phone_number: Option<String>,
    #[schema(max_length = 20, example = "서함시험")]
    name: Option<String>,
    #[schema(pattern = "^[0-9]{8}$", example = "19900101")]
    birthday: Option<String>,
    is_required_verify_name: Option<bool>,
}

#[derive(ToSchema)]
#[schema(as = Property)]
pub(super) struct Property {
    /// The institution's page: an absolute http(s) URL in the ASCII of RFC 3986, without user info, and without `token`,
    /// `document_binder_uuid` and `external_document_uuid` in its query.
    #[schema(min_length = 1, max_length = 100, example = "https://tax.example.kr/notice")]
    link: String,
    #[schema(max_length = 20, example = "02-000-0000")]
    cs_number: String,
    #[schema(max_length = 10, example = "세무과")]
    cs_name: String,
    /// Characters of any kind, handed back unchanged in status.
    #[schema(max_length = 200)]
    payload: Option<String>,
    /// Shown in the notification.
    #[schema(max_length = 500)]
    message: Option<String>,
    /// Required in bulk.
    #[schema(min_length = 1, max_length = 40, example = "TAX-2026-000001")]
    external_document_uuid: Option<String>,
}
