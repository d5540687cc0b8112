//! Who may call what on the operator's API (SPEC 11): every call by every kind of caller.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use seoham_model::{SeoulDay, UnixSeconds};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, Start, document, eventually, http, member_document};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Operators,
    Agencies,
    TheAgency,
}

/// Every call, and who may make it.
fn calls() -> Vec<(Who, &'static str, &'static str)> {
    use Who::{Agencies, Operators, TheAgency};
    vec![
        (Agencies, "POST", "institutions"),
        (Agencies, "GET", "institutions"),
        (TheAgency, "GET", "institutions/{institution}"),
        (TheAgency, "PATCH", "institutions/{institution}"),
        (TheAgency, "POST", "institutions/{institution}/suspend"),
        (TheAgency, "POST", "institutions/{institution}/resume"),
        (TheAgency, "PUT", "institutions/{institution}/mark"),
        (TheAgency, "DELETE", "institutions/{institution}/mark"),
        (TheAgency, "POST", "institutions/{institution}/contracts"),
        (TheAgency, "PUT", "contracts/{contract}/card"),
        (TheAgency, "PUT", "institutions/{institution}/templates/{kind}"),
        (TheAgency, "GET", "institutions/{institution}/templates/{kind}"),
        (TheAgency, "DELETE", "institutions/{institution}/templates/{kind}"),
        (TheAgency, "POST", "institutions/{institution}/templates/check"),
        (Operators, "PUT", "templates/{kind}"),
        (Operators, "GET", "templates/{kind}"),
        (Operators, "DELETE", "templates/{kind}"),
        (Operators, "POST", "templates/check"),
        (Operators, "GET", "messenger"),
        (Operators, "POST", "messenger/test"),
        (Operators, "GET", "messenger/uncertain"),
        (Operators, "GET", "webhooks"),
        (TheAgency, "DELETE", "institutions/{institution}/webhooks/{webhook}"),
        (TheAgency, "GET", "institutions/{institution}/statistics"),
        (TheAgency, "POST", "institutions/{institution}/tokens"),
        (TheAgency, "PATCH", "institutions/{institution}/tokens/{token}"),
        (TheAgency, "POST", "institutions/{institution}/volume-plans"),
        (TheAgency, "GET", "institutions/{institution}/volume-plans"),
        (Operators, "POST", "institutions/{institution}/volume-plans/{plan}/approve"),
        (Operators, "POST", "institutions/{institution}/volume-plans/{plan}/decline"),
        (Operators, "GET", "volume-plans"),
        (TheAgency, "GET", "institutions/{institution}/log"),
        (TheAgency, "GET", "institutions/{institution}/notifications/{list}"),
        (TheAgency, "POST", "institutions/{institution}/notifications/{list}/send-again"),
        (TheAgency, "POST", "institutions/{institution}/documents/search"),
        (TheAgency, "GET", "documents/{binder}"),
        (TheAgency, "POST", "documents/{binder}/send-again"),
        (Operators, "GET", "notifications/{list}"),
        (Operators, "POST", "notifications/{list}/send-again"),
        (Operators, "GET", "log"),
        (Operators, "POST", "people"),
        (Operators, "POST", "people/unlock"),
        (Operators, "POST", "people/new-pin"),
        (Operators, "GET", "clock"),
        (Operators, "POST", "clock/confirm"),
        (Operators, "GET", "deliveries"),
        (Operators, "POST", "deliveries/release"),
        (Operators, "POST", "operators"),
        (Operators, "GET", "operators"),
        (Operators, "GET", "operators/{id}"),
        (Operators, "POST", "operators/{id}/tokens"),
        (Operators, "PATCH", "operators/{id}/tokens/{token}"),
        (Operators, "DELETE", "operators/{id}/tokens/{token}"),
        (Operators, "DELETE", "operators/{id}"),
        (Operators, "POST", "agencies"),
        (Operators, "GET", "agencies"),
        (Operators, "GET", "agencies/{id}"),
        (Operators, "POST", "agencies/{id}/tokens"),
        (Operators, "PATCH", "agencies/{id}/tokens/{token}"),
        (Operators, "DELETE", "agencies/{id}/tokens/{token}"),
        (Operators, "DELETE", "agencies/{id}"),
        // These end what the others use.
        (TheAgency, "DELETE", "institutions/{institution}/contracts/{contract}"),
        (TheAgency, "DELETE", "institutions/{institution}/tokens/{token}"),
    ]
}

/// The calls as the server lists them beside its routes.
fn listed() -> Vec<(String, String, String)> {
    let source = include_str!("../../crates/operator/src/lib.rs");
    let line = |line: &str| {
        let mut parts = line.trim().strip_prefix(".call(")?.split(',').map(str::trim);
        let (who, method, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some((who.to_owned(), method.to_owned(), path.trim_matches('"').to_owned()))
    };
    source.lines().filter_map(line).collect()
}

#[test]
fn every_call_is_in_the_table() {
    let mut table: Vec<_> = calls()
        .into_iter()
        .map(|(who, method, path)| (format!("{who:?}"), method.to_owned(), path.to_owned()))
        .collect();
    let mut listed = listed();
    table.sort();
    listed.sort();
    assert_eq!(table, listed);
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

async fn admin_as(server: &Server, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let url = format!("{}/admin/v1/{path}", server.url("admin"));
    let request = http().request(method.parse::<Method>().unwrap(), url).bearer_auth(token);
    Answer::of(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

async fn made(server: &Server, path: &str, body: Value, member: &str) -> String {
    let (status, made) = server.admin("POST", path, Some(body)).await;
    assert_eq!(status, 201, "{made}");
    made[member].as_str().unwrap().to_owned()
}

async fn agency(server: &Server, name: &str) -> (String, String) {
    let id = made(server, "agencies", json!({ "name": name }), "agency_id").await;
    let token =
        made(server, &format!("agencies/{id}/tokens"), json!({ "label": "시험" }), "admin_token").await;
    (id, token)
}

/// An institution of an agency, made with its token.
async fn institution_of(server: &Server, token: &str, name: &str) -> Client {
    let made = admin_as(server, token, "POST", "institutions", Some(json!({ "name": name }))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.body["institution_id"].as_str().unwrap().to_owned();
    let terms = json!({ "authentication": "pin" });
    let contract =
        admin_as(server, token, "POST", &format!("institutions/{id}/contracts"), Some(terms)).await;
    let label = json!({ "label": "시험" });
    let access = admin_as(server, token, "POST", &format!("institutions/{id}/tokens"), Some(label)).await;
    assert_eq!((contract.status, access.status), (201, 201));
    Client {
        api: server.url("api"),
        bulk: server.url("bulk"),
        id,
        token: access.body["access_token"].as_str().unwrap().to_owned(),
        token_id: access.body["token_id"].as_str().unwrap().to_owned(),
        contract: contract.body["contract_uuid"].as_str().unwrap().to_owned(),
    }
}

/// A path with its parts filled in: those of an institution and a document of it.
fn path(template: &str, city: &Client, binder: &str) -> String {
    let id = if template.starts_with("agencies") {
        "AGC-00000000000000000000000000000000"
    } else {
        "OPR-00000000000000000000000000000000"
    };
    let parts = [
        ("{institution}", city.id.as_str()),
        ("{contract}", &city.contract),
        ("{token}", &city.token_id),
        ("{binder}", binder),
        ("{kind}", "document_arrived"),
        ("{list}", "given-up"),
        ("{plan}", "VPL-00000000000000000000000000000000"),
        ("{id}", id),
    ];
    parts.into_iter().fold(template.to_owned(), |path, (part, value)| path.replace(part, value))
}

#[tokio::test]
async fn each_caller_may_do_what_is_theirs() {
    let server = Start::sandbox().up();
    let operator = made(&server, "operators", json!({ "name": "김운영" }), "admin_token").await;
    let (agency_id, own) = agency(&server, "가상대행").await;
    let (_, other) = agency(&server, "나상대행").await;
    let city = institution_of(&server, &own, "가상시청").await;
    let binder = city.accepted(&[member_document("A")]).await.remove(0);

    let tokens = format!("agencies/{agency_id}/tokens");
    let revoked = made(&server, &tokens, json!({ "label": "폐기" }), "admin_token").await;
    let listed = server.admin("GET", &format!("agencies/{agency_id}"), None).await.1;
    let id = listed["tokens"].as_array().unwrap().last().unwrap()["token_id"].as_str().unwrap().to_owned();
    assert_eq!(server.admin("DELETE", &format!("{tokens}/{id}"), None).await.0, 204);
    let short = json!({ "label": "만료", "expires_at": now() + 60 });
    let expired = made(&server, &tokens, short, "admin_token").await;
    let far = json!({ "label": "다른 곳", "allowed_networks": ["203.0.113.0/24", "2001:db8::/32"] });
    let elsewhere = made(&server, &tokens, far, "admin_token").await;
    assert_eq!(admin_as(&server, &expired, "GET", "institutions", None).await.status, 200);
    city.advance(120).await;

    let nobody = Client { id: "INS-00000000000000000000000000000000".to_owned(), ..city.at(&server) };
    let unknown = Client {
        contract: "CON-00000000000000000000000000000000".to_owned(),
        token_id: "TOK-00000000000000000000000000000000".to_owned(),
        ..nobody
    };
    for (who, method, template) in calls() {
        let path = path(template, &city, &binder);
        let call = format!("{method} {path}");
        // Bodies are wrong on purpose: who may call is decided before.
        let by = async |token: &str| admin_as(&server, token, method, &path, None).await;
        for nobody in [&city.token, &revoked, &expired] {
            assert_eq!(by(nobody).await.status, 401, "{call}");
        }
        assert_eq!(by(&elsewhere).await.status, 403, "{call}");
        let of_other = by(&other).await;
        match who {
            Who::Operators => assert_eq!((of_other.status, by(&own).await.status), (403, 403), "{call}"),
            Who::Agencies => assert!(![401, 403, 404].contains(&of_other.status), "{call}"),
            Who::TheAgency => {
                assert_eq!(of_other.status, 404, "{call}");
                let missing = self::path(template, &unknown, "BIN-00000000000000000000000000000000");
                let missing = admin_as(&server, &other, method, &missing, None).await;
                assert_eq!((missing.status, &missing.body), (404, &of_other.body), "{call}: told apart");
            }
        }
        let allowed = if who == Who::Operators { by(&operator).await } else { by(&own).await };
        assert!(![401, 403, 500].contains(&allowed.status), "{call}: {} {}", allowed.status, allowed.body);
    }
}

#[tokio::test]
async fn an_agency_sees_its_own_alone() {
    let server = Start::sandbox().up();
    let (agency_id, own) = agency(&server, "가상대행").await;
    let (other_id, other) = agency(&server, "나상대행").await;
    let city = institution_of(&server, &own, "가상시청").await;
    institution_of(&server, &other, "나상시청").await;
    server.institution("다상시청").await;
    let listed = admin_as(&server, &own, "GET", "institutions", None).await.body;
    let names: Vec<_> =
        listed["institutions"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!(names, ["가상시청"]);
    assert_eq!(listed["institutions"][0]["agency_id"], agency_id);
    assert_eq!(
        server.admin("GET", "institutions", None).await.1["institutions"].as_array().unwrap().len(),
        3
    );

    // It cannot give an institution to another agency, nor learn that there is one.
    let body = |id: &str| json!({ "name": "라상시청", "agency_id": id });
    let given = admin_as(&server, &own, "POST", "institutions", Some(body(&other_id))).await;
    let invented = body("AGC-00000000000000000000000000000000");
    let invented = admin_as(&server, &own, "POST", "institutions", Some(invented)).await;
    assert_eq!((given.status, &given.body), (400, &invented.body));
    assert_eq!(admin_as(&server, &own, "POST", "institutions", Some(body(&agency_id))).await.status, 201);

    // Its part of the log names who did what.
    let log = admin_as(&server, &own, "GET", &format!("institutions/{}/log", city.id), None).await.body;
    let actions = log["actions"].as_array().unwrap();
    assert_eq!(actions.len(), 3, "the institution, a contract and a token: {log}");
    assert!(actions.iter().all(|action| action["by"] == agency_id && action["institution_id"] == city.id));
    assert_eq!(actions[0]["what"], "POST /admin/v1/institutions/{institution}/tokens");

    // Removed, it is nobody; its institutions stay.
    assert_eq!(server.admin("DELETE", &format!("agencies/{agency_id}"), None).await.0, 204);
    assert_eq!(admin_as(&server, &own, "GET", "institutions", None).await.status, 401);
    assert_eq!(server.admin("GET", &format!("institutions/{}", city.id), None).await.0, 200);
    assert_eq!(city.accepted(&[member_document("A")]).await.len(), 1);
}

#[tokio::test]
async fn tokens_are_bound_to_networks() {
    let start = Start::sandbox().env("SEOHAM_LISTEN__BEHIND_TLS_PROXY", "true");
    let server = start.up();
    let city = server.institution("가상시청").await;
    let token = format!("institutions/{}/tokens/{}", city.id, city.token_id);
    let bind = async |networks: Value| {
        server.admin("PATCH", &token, Some(json!({ "allowed_networks": networks }))).await.0
    };
    let sent_from = async |address: &str| {
        let body = crate::harness::bulk(&[member_document("A")]);
        let request = city.bulk_request("/v1/documents/bulk", body).header("X-Forwarded-For", address);
        Answer::of(request).await.status
    };
    let asked_from = async |address: &str| {
        let request = city.get("/v1/documents/BIN-00000000000000000000000000000000/status");
        Answer::of(request.header("X-Forwarded-For", address)).await.status
    };
    assert_eq!(sent_from("198.51.100.1").await, 200);
    assert_eq!(bind(json!(["203.0.113.0/24", "2001:db8::/32"])).await, 204);
    for (address, is_allowed) in [
        ("203.0.113.200", true),
        ("::ffff:203.0.113.1", true),
        ("2001:db8:5::1", true),
        ("203.0.114.1", false),
        ("2001:db9::1", false),
        ("203.0.113.1, 198.51.100.1", false),
    ] {
        let expected = if is_allowed { (200, 404) } else { (403, 403) };
        let answered = eventually("the binding is known", async || {
            let answered = (sent_from(address).await, asked_from(address).await);
            (answered == expected).then_some(answered)
        })
        .await;
        assert_eq!(answered, expected, "{address}");
    }
    assert_eq!(bind(json!([])).await, 400);
    assert_eq!(bind(json!(["203.0.113.0/24", "city.example.kr"])).await, 400);
    assert_eq!(sent_from("198.51.100.1").await, 403, "a wrong change changes nothing");
    assert_eq!(bind(Value::Null).await, 204);
    assert_eq!(sent_from("198.51.100.1").await, 200);
}

#[tokio::test]
async fn an_agency_does_not_lift_an_operators_suspension() {
    let server = Start::sandbox().up();
    let (_, own) = agency(&server, "가상대행").await;
    let city = institution_of(&server, &own, "가상시청").await;
    let path = |what: &str| format!("institutions/{}/{what}", city.id);
    assert_eq!(admin_as(&server, &own, "POST", &path("suspend"), None).await.status, 204);
    assert_eq!(admin_as(&server, &own, "POST", &path("resume"), None).await.status, 204);
    assert_eq!(server.admin("POST", &path("suspend"), None).await.0, 204);
    let refused = admin_as(&server, &own, "POST", &path("resume"), None).await;
    refused.is_error(403, "FORBIDDEN");
    assert!(refused.message().contains("운영자"), "{}", refused.message());
    assert_eq!(server.admin("POST", &path("resume"), None).await.0, 204);
    assert_eq!(city.accepted(&[member_document("A")]).await.len(), 1);
}

#[tokio::test]
async fn documents_are_found_by_receiver_and_by_external_id() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let bank = server.institution("가상은행").await;
    let ids =
        city.accepted(&[member_document("A"), document("01000000003", "B"), member_document("C")]).await;
    bank.accepted(&[member_document("A")]).await;
    let path = format!("institutions/{}/documents/search", city.id);
    let search = async |body: Value| {
        let (status, found) = server.admin("POST", &path, Some(body)).await;
        assert_eq!(status, 200, "{found}");
        let mut ids: Vec<String> =
            found["documents"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let reason = "민원 2026-1 문의";
    let by_number = json!({ "reason": reason, "receiver": { "phone_number": "010-0000-0001" } });
    assert_eq!(search(by_number).await, [ids[0].clone(), ids[2].clone()]);
    // Also for somebody who refuses the institution by now.
    assert_eq!(city.sandbox("people/refuse", json!({ "phone_number": "01000000003" })).await.status, 204);
    let waiting = json!({ "reason": reason, "receiver": { "ci": "SANDBOX-CI-3" } });
    assert_eq!(search(waiting).await, [ids[1].clone()], "not in the box yet");
    let nobody = json!({ "reason": reason, "receiver": { "phone_number": "01099999999" } });
    assert_eq!(search(nobody).await, Vec::<String>::new());
    let today = SeoulDay::of(UnixSeconds(city.advance(0).await)).to_string();
    let by_id =
        |id: &str| json!({ "reason": reason, "external_document_uuid": id, "from": &today, "to": &today });
    assert_eq!(search(by_id("A")).await, [ids[0].clone()]);
    assert_eq!(search(by_id("X")).await, Vec::<String>::new());
    let without = server.admin("POST", &path, Some(json!({ "receiver": { "ci": "SANDBOX-CI-3" } }))).await;
    assert!(without.0 == 400 && without.1["error_message"].as_str().unwrap().contains("reason"));

    let log = server.admin("GET", &format!("institutions/{}/log", city.id), None).await.1;
    let searches: Vec<_> =
        log["actions"].as_array().unwrap().iter().filter(|action| action["reason"] == reason).collect();
    assert_eq!(searches.len(), 5, "{log}");
    assert!(!log.to_string().contains("0000-0001") && !log.to_string().contains("SANDBOX-CI"));
}

#[tokio::test]
async fn a_suspended_institution_sends_nothing_and_opens_on() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    let path = format!("institutions/{}", city.id);
    assert_eq!(server.admin("POST", &format!("{path}/suspend"), None).await.0, 204);
    let single = city.post("/v1/documents", &json!({ "document": member_document("B") }));
    let bulk = city.bulk_request("/v1/documents/bulk", crate::harness::bulk(&[member_document("B")]));
    for request in [single, bulk] {
        let refused = Answer::of(request).await;
        refused.is_error(403, "FORBIDDEN");
        assert!(refused.message().contains("정지"), "{}", refused.message());
    }
    let token = city.open_token(&id).await;
    assert_eq!(city.verify(&id, &token).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    assert_eq!(city.status(&id).await["doc_box_status"], "READ");
    let shown = server.admin("GET", &path, None).await.1;
    assert!(shown["suspended_at"].is_i64());
    assert_eq!(server.admin("POST", &format!("{path}/resume"), None).await.0, 204);
    assert_eq!(city.accepted(&[member_document("C")]).await.len(), 1);
    let change = json!({ "name": "새가상시청", "contact": "전산과" });
    assert_eq!(server.admin("PATCH", &path, Some(change)).await.0, 204);
    let shown = server.admin("GET", &path, None).await.1;
    assert_eq!((&shown["name"], &shown["contact"]), (&json!("새가상시청"), &json!("전산과")));
    assert!(shown["suspended_at"].is_null());
}
