//! One hundred items, one for each defect of SPEC 4, among good ones: one hundred correct verdicts.

use serde_json::{Value, json};

use crate::harness::{Answer, Start, bulk, member_document};

struct Case {
    item: Value,
    /// What the message must name; `None` for a good item.
    member: Option<&'static str>,
}

fn with(path: &str, value: Value) -> Value {
    let mut item = member_document("@");
    *item.pointer_mut(path).unwrap_or_else(|| panic!("{path} is there")) = value;
    item
}

fn without(parent: &str, member: &str) -> Value {
    let mut item = member_document("@");
    item.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member);
    item
}

fn plus(parent: &str, member: &str, value: Value) -> Value {
    let mut item = member_document("@");
    item.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(member.to_owned(), value);
    item
}

fn by_ci(ci: &Value, more: &[(&str, Value)]) -> Value {
    let mut receiver = json!({ "ci": ci });
    for (member, value) in more {
        receiver[*member] = value.clone();
    }
    with("/receiver", receiver)
}

#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut bad = |member: &'static str, item: Value| cases.push(Case { item, member: Some(member) });

    for item in [json!(null), json!(7), json!("문서"), json!(true), json!([])] {
        bad("documents[", item);
    }
    for (path, name) in [
        ("/title", "title"),
        ("/property/link", "property.link"),
        ("/property/cs_number", "property.cs_number"),
        ("/property/cs_name", "property.cs_name"),
        ("/property/external_document_uuid", "property.external_document_uuid"),
        ("/receiver/phone_number", "receiver.phone_number"),
        ("/receiver/name", "receiver.name"),
        ("/receiver/birthday", "receiver.birthday"),
    ] {
        bad(name, with(path, json!(12345)));
        bad(name, with(path, json!("  \t ")));
        bad(name, with(path, Value::Null));
    }
    bad("receiver", without("", "receiver"));
    bad("property", without("", "property"));
    bad("receiver", with("/receiver", json!("01000000001")));
    bad("property", with("/property", json!([])));
    bad("title", without("", "title"));
    bad("title", with("/title", json!("가".repeat(41))));
    bad("title", with("/title", json!("줄\n바꿈")));
    bad("title", with("/title", json!({ "ko": "제목" })));
    bad("read_expired_at", without("", "read_expired_sec"));
    bad("read_expired_at", plus("", "read_expired_at", json!(4_000_000_000u64)));
    for value in [json!(0), json!(-5), json!(100_000_000), json!("30일"), json!("1.0"), json!(1.5), json!([])]
    {
        bad("read_expired_sec", with("/read_expired_sec", value));
    }
    for value in [json!(1_000_000_000), json!(10_000_000_000u64), json!("2026-12-31"), json!(true)] {
        let mut item = plus("", "read_expired_at", value);
        item.as_object_mut().unwrap().remove("read_expired_sec");
        bad("read_expired_at", item);
    }
    bad("common_categories", with("/common_categories", json!("BILL")));
    bad("common_categories[1]", with("/common_categories", json!(["BILL", "TAX"])));
    bad("common_categories[0]", with("/common_categories", json!([7])));
    for value in ["010-0000-0001", "010000000", "010000000012", "０1000000001"] {
        bad("receiver.phone_number", with("/receiver/phone_number", json!(value)));
    }
    bad("receiver.name", with("/receiver/name", json!("가".repeat(21))));
    for value in ["1990101", "19900230", "19901301", "1990-01-01", "29990101"] {
        bad("receiver.birthday", with("/receiver/birthday", json!(value)));
    }
    bad("receiver.is_required_verify_name", plus("/receiver", "is_required_verify_name", json!("yes")));
    bad("receiver.ci", by_ci(&json!("c".repeat(89)), &[]));
    bad("receiver.ci", by_ci(&json!(88), &[]));
    bad(
        "receiver.name",
        by_ci(&json!("SANDBOX-CI-1"), &[("is_required_verify_name", json!(true)), ("name", json!("a\nb"))]),
    );
    for value in [
        "tax.example.kr/notice",
        "ftp://tax.example.kr/",
        "https:///notice",
        "javascript:alert(1)",
        "https://a b.example.kr",
        "https://tax.example.kr/고지",
        "https://user@tax.example.kr/",
        "https://tax.example.kr/?token=1",
    ] {
        bad("property.link", with("/property/link", json!(value)));
    }
    bad("property.link", with("/property/link", json!(format!("https://tax.example.kr/{}", "a".repeat(80)))));
    bad("property.cs_number", with("/property/cs_number", json!("0".repeat(21))));
    bad("property.cs_name", with("/property/cs_name", json!("가".repeat(11))));
    bad("property.payload", with("/property/payload", json!("p".repeat(201))));
    bad("property.payload", with("/property/payload", json!({ "amount": 1 })));
    bad("property.message", with("/property/message", json!("가".repeat(501))));
    bad("property.message", with("/property/message", json!("종\u{7}소리")));
    bad("property.external_document_uuid", with("/property/external_document_uuid", json!("e".repeat(41))));
    bad("title", with("/title", json!("\u{3164}\u{200b}")));
    bad("title", with("/title", json!("고지\u{202e}서")));

    let mut good = |item: Value| cases.push(Case { item, member: None });
    good(member_document("@"));
    good(with("/title", json!("가".repeat(40))));
    good(with("/title", json!("👩‍👩‍👧‍👦".repeat(5))));
    good(with("/property/message", json!("줄\n바꿈\t탭")));
    good(with("/common_categories", json!(["default", "bill_PAY", "BILL", "Notice"])));
    good(with("/common_categories", Value::Null));
    good(by_ci(&json!("SANDBOX-CI-1"), &[]));
    good(by_ci(
        &json!("SANDBOX-CI-1"),
        &[("is_required_verify_name", json!(true)), ("name", json!("서함시험"))],
    ));
    good(plus("", "unknown", json!({ "deep": [1, 2, { "x": null }] })));
    good(plus("/receiver", "ci", json!("  ")));
    good(with("/read_expired_sec", json!("2592000")));
    good(with("/read_expired_sec", json!(1e3)));
    good(plus("", "hash", json!(7)));
    good(plus("", "hash", json!("a".repeat(100))));
    good(plus("/receiver", "is_required_verify_name", json!("true")));
    good(by_ci(&json!("SANDBOX-CI-1"), &[("is_required_verify_name", json!(true)), ("birthday", json!(5))]));
    good(with("/property/payload", json!("\u{0}\r\n")));
    good(with("/property/message", json!("줄\r\n바꿈")));
    cases
}

#[tokio::test]
async fn a_hundred_items_get_a_hundred_right_verdicts() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut cases = cases();
    assert!(cases.len() >= 90, "{} cases", cases.len());
    let mut accepted = Vec::new();
    // In requests of one hundred, filled up with good items.
    while !cases.is_empty() {
        let mut batch: Vec<Case> = cases.drain(..cases.len().min(100)).collect();
        while batch.len() < 100 {
            batch.insert(batch.len() / 2, Case { item: member_document("@"), member: None });
        }
        for (i, case) in batch.iter_mut().enumerate() {
            if let Some(id) = case.item.pointer_mut("/property/external_document_uuid")
                && id == "@"
            {
                *id = json!(format!("EXT-{i}"));
            }
        }
        let items: Vec<Value> = batch.iter().map(|c| c.item.clone()).collect();
        for language in ["en", "ko"] {
            let request =
                city.bulk_request("/v1/documents/bulk", bulk(&items)).header("Accept-Language", language);
            let answer = Answer::of(request).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let results = answer.body["documents"].as_array().unwrap();
            assert_eq!(results.len(), 100);
            for (i, (case, result)) in batch.iter().zip(results).enumerate() {
                check(i, case, result);
                accepted.extend(result["document_binder_uuid"].as_str().map(str::to_owned));
            }
        }
    }
    for id in accepted {
        city.until(&id, "RECEIVED").await;
    }
}

fn check(i: usize, case: &Case, result: &Value) {
    let expected_id =
        case.item.pointer("/property/external_document_uuid").and_then(Value::as_str).unwrap_or("");
    assert_eq!(result["external_document_uuid"], expected_id, "item {i}: {}", case.item);
    let Some(member) = case.member else {
        assert!(result["document_binder_uuid"].is_string(), "item {i} is good: {result} for {}", case.item);
        return;
    };
    assert_eq!(result["error_code"], "INVALID_VALUE", "item {i}: {}", case.item);
    let message = result["error_message"].as_str().unwrap();
    let named = if member.starts_with("documents[") {
        format!("documents[{i}]:")
    } else {
        format!("documents[{i}].{member}:")
    };
    assert!(message.contains(&named), "item {i}: {message:?} names {named}");
    assert!(!message.contains("서함시험") && !message.contains("0100000000"), "no personal value: {message}");
}

#[tokio::test]
async fn certified_contracts_demand_a_hash() {
    let server = Start::sandbox().up();
    let terms = json!({ "authentication": "certificate", "certified": true });
    let city = server.institution_with("가상시청", terms).await;
    let mut hashed = member_document("B");
    hashed["hash"] = json!("a".repeat(99));
    let mut blank = member_document("C");
    blank["hash"] = json!("   ");
    let results = city.send(&[member_document("A"), hashed, blank]).await;
    for refused in [&results[0], &results[2]] {
        assert!(refused["error_message"].as_str().unwrap().contains(".hash:"), "{refused}");
    }
    assert!(results[1]["document_binder_uuid"].is_string());
}
