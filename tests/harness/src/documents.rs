//! Test documents.

use serde_json::{Value, json};

/// A valid document for a person of the sandbox.
pub fn document(phone_number: &str, external_document_uuid: &str) -> Value {
    json!({
        "title": "2026년 자동차세 고지서",
        "read_expired_sec": 2_592_000,
        "common_categories": ["BILL_PAY"],
        "receiver": { "phone_number": phone_number, "name": "서함시험", "birthday": "19900101" },
        "property": {
            "link": "https://tax.example.kr/notice?year=2026#top",
            "cs_number": "02-000-0000",
            "cs_name": "세무과",
            "payload": "amount=120000",
            "message": "기한 안에 납부해 주십시오.\n감사합니다.",
            "external_document_uuid": external_document_uuid,
        },
    })
}

/// A valid document for a member.
pub fn member_document(external_document_uuid: &str) -> Value {
    document("01000000001", external_document_uuid)
}

/// `count` valid documents for a member.
pub fn documents(count: usize) -> Vec<Value> {
    (0..count).map(|i| member_document(&format!("EXT-{i}"))).collect()
}

/// A bulk body.
pub fn bulk(documents: &[Value]) -> String {
    json!({ "documents": documents }).to_string()
}
