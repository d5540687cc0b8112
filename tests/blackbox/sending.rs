//! Bulk and single sends, and errors of whole requests.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Answer, Start, bulk, document, documents, http, member_document};

#[tokio::test]
async fn each_item_is_answered_in_order() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let results = city
        .send(&[
            member_document("A"),
            document("01000000002", "B"),
            document("01000000003", "C"),
            document("01000000007", "D"),
            document("01000000099", "E"),
            json!(null),
        ])
        .await;
    let rows: Vec<_> = results
        .iter()
        .map(|r| (r["external_document_uuid"].as_str().unwrap(), r["error_code"].as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("A", None),
            ("B", Some("FORBIDDEN")),
            ("C", None),
            ("D", Some("INTERNAL_ERROR")),
            ("E", Some("NOT_FOUND")),
            ("", Some("INVALID_VALUE")),
        ]
    );
    for result in &results {
        let accepted = result["document_binder_uuid"].as_str();
        assert_eq!(accepted.is_some(), result["error_code"].is_null());
        assert_eq!(result.as_object().unwrap().len(), if accepted.is_some() { 2 } else { 3 }, "{result}");
        if let Some(id) = accepted {
            assert!(
                id.starts_with("BIN-") && id.len() == 36 && id == id.to_lowercase().replace("bin-", "BIN-")
            );
        }
    }
}

#[tokio::test]
async fn single_sends_answer_with_an_id_or_an_error() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let send = |document: Value| Answer::of(city.post("/v1/documents", &json!({ "document": document })));
    let mut without_external_id = member_document("A");
    without_external_id["property"].as_object_mut().unwrap().remove("external_document_uuid");
    let accepted = send(without_external_id).await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    assert_eq!(accepted.body.as_object().unwrap().len(), 1);
    city.until(accepted.body["document_binder_uuid"].as_str().unwrap(), "RECEIVED").await;

    send(document("01000000099", "A")).await.is_error(400, "UNIDENTIFIED_USER");
    send(document("01000000002", "A")).await.is_error(403, "FORBIDDEN");
    let broken = send(document("01000000007", "A")).await;
    broken.is_error(500, "INTERNAL_ERROR");
    let request_id = broken.headers["x-request-id"].to_str().unwrap();
    assert!(broken.message().contains(request_id), "{}", broken.message());
    let mut bad = member_document("A");
    bad["receiver"]["birthday"] = json!("19901301");
    let invalid = send(bad).await;
    invalid.is_error(400, "INVALID_VALUE");
    assert!(invalid.message().contains("document.receiver.birthday"), "{}", invalid.message());
    Answer::of(city.post("/v1/documents", &json!({}))).await.is_error(400, "INVALID_VALUE");
}

#[tokio::test]
async fn requests_that_are_wrong_as_a_whole_store_nothing() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let send = |body: Vec<u8>| Answer::of(city.bulk_request("/v1/documents/bulk", body));
    let good = bulk(&documents(1));
    let deep = format!(r#"{{"documents":[{}]}}"#, "[".repeat(1_000));
    for (body, says) in [
        (bulk(&documents(101)), "101"),
        (bulk(&[]), "documents"),
        ("{}".to_owned(), "documents"),
        (r#"{"documents":null}"#.to_owned(), "documents"),
        (r#"{"documents":{"0":1}}"#.to_owned(), "documents"),
        ("[]".to_owned(), "JSON"),
        (String::new(), "1행 0열"),
        ("{\"documents\":[\n{\"title\":}]}".to_owned(), "2행 10열"),
        (good.replace("}]}", "},]}"), "1행"),
        (format!("{good} x"), "1행"),
        (deep, "1행"),
    ] {
        let answer = send(body.clone().into_bytes()).await;
        answer.is_error(400, "INVALID_VALUE");
        assert!(answer.message().contains(says), "{} for {body:.60}", answer.message());
    }
    let broken_utf8 =
        [good.as_bytes()[..30].to_vec(), vec![0xff, 0xfe], good.as_bytes()[30..].to_vec()].concat();
    send(broken_utf8).await.is_error(400, "INVALID_VALUE");

    let overview = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    assert_eq!(overview["accepted_today"], 0, "nothing was stored");
}

#[tokio::test]
async fn a_deeply_nested_item_is_refused_or_ignored_but_harms_nothing() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let nested = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let mut with_unknown = member_document("B").to_string();
    with_unknown.insert_str(1, &format!("\"unknown\":{nested},"));
    let mut with_title = member_document("C");
    with_title["title"] = json!("@");
    let with_title = with_title.to_string().replace("\"@\"", &nested);
    let body = format!(r#"{{"documents":[{nested},{with_unknown},{with_title}]}}"#);
    let answer = Answer::of(city.bulk_request("/v1/documents/bulk", body)).await;
    let codes: Vec<_> =
        answer.body["documents"].as_array().unwrap().iter().map(|r| r["error_code"].as_str()).collect();
    assert_eq!(codes, [Some("INVALID_VALUE"), None, Some("INVALID_VALUE")]);
}

#[tokio::test]
async fn bodies_over_two_mebibytes_are_refused_before_they_are_read_whole() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let large = format!("{{\"x\":\"{}\"}}", "a".repeat(3 * 1024 * 1024));
    let answer = Answer::of(city.bulk_request("/v1/documents/bulk", large)).await;
    answer.is_error(413, "INVALID_VALUE");

    // Without a declared length, the limit is enforced while reading.
    let chunks = (0..48).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let answer = Answer::of(city.bulk_request("/v1/documents/bulk", stream)).await;
    answer.is_error(413, "INVALID_VALUE");

    // A client that declared a longer body than it has sent so far gets its reply at once.
    let address = city.bulk.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/documents/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContract-Uuid: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 9999999\r\n\r\n{{",
        city.token, city.contract
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");

    let within = format!("{{\"x\":\"{}\"}}", "a".repeat(2 * 1024 * 1024 - 8));
    assert_eq!(within.len(), 2 * 1024 * 1024);
    let answer = Answer::of(city.bulk_request("/v1/documents/bulk", within)).await;
    answer.is_error(400, "INVALID_VALUE");
}

#[tokio::test]
async fn repeated_external_ids_refuse_every_item_that_bears_them() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut broken = member_document("TWICE");
    broken["title"] = json!(7);
    let results = city.send(&[member_document("TWICE"), member_document("ONCE"), broken]).await;
    let codes: Vec<_> = results.iter().map(|r| r["error_code"].as_str()).collect();
    assert_eq!(codes, [Some("INVALID_VALUE"), None, Some("INVALID_VALUE")]);
    assert!(results[0]["error_message"].as_str().unwrap().contains("external_document_uuid"));
    assert_eq!(results[2]["external_document_uuid"], "TWICE");
    let again = city.accepted(&[member_document("ONCE")]).await;
    assert_ne!(again[0], results[1]["document_binder_uuid"].as_str().unwrap(), "a new document");
}

#[tokio::test]
async fn types_methods_and_paths_are_told_apart() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let typed = |content_type: &'static str| {
        let request = http().post(format!("{}/v1/documents/bulk", city.bulk)).bearer_auth(&city.token);
        Answer::of(
            request.header("Contract-Uuid", &city.contract).header("Content-Type", content_type).body("{}"),
        )
    };
    typed("text/plain").await.is_error(415, "INVALID_VALUE");
    typed("application/json;charset=euc-kr").await.is_error(415, "INVALID_VALUE");
    typed("Application/Json; Charset=Utf-8").await.is_error(400, "INVALID_VALUE");

    for base in [&city.api, &city.bulk] {
        let answer = Answer::of(http().get(format!("{base}/v1/documents/bulk"))).await;
        answer.is_error(405, "INVALID_VALUE");
        assert!(answer.headers["allow"].to_str().unwrap().contains("POST"), "{:?}", answer.headers);
        Answer::of(http().get(format!("{base}/v1/nothing"))).await.is_error(404, "NOT_FOUND");
    }
    let answer = Answer::of(http().get(format!("{}/v1/documents/BIN-1/status", city.bulk))).await;
    answer.is_error(404, "NOT_FOUND");
    for no_text in ["/v1/documents/%FF/status", "/v1/documents/BIN-1/tokens/%FF", "/v1/%FF/tokens/x"] {
        Answer::of(city.get(no_text)).await.is_error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_refusal_can_be_read_while_the_body_is_still_being_sent() {
    let server = Start::sandbox().up();
    for (path, says) in [("/v1/documents", b"HTTP/1.1 401"), ("/v1/nothing", b"HTTP/1.1 404")] {
        let mut socket = TcpStream::connect(server.url("api").strip_prefix("http://").unwrap()).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 12582912\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        for _ in 0..12 {
            socket.write_all(&vec![b' '; 1024 * 1024]).expect("taken in");
        }
        let mut start = [0; 12];
        socket.read_exact(&mut start).unwrap();
        assert_eq!(&start, says, "{path}");
    }
}

#[tokio::test]
async fn who_calls_and_under_what_is_checked_first() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let bank = server.institution("가상은행").await;
    let call = |token: Option<&str>, contract: Option<&str>| {
        let mut request = http().post(format!("{}/v1/documents/bulk", city.bulk));
        if let Some(token) = token {
            request = request.header("Authorization", token);
        }
        if let Some(contract) = contract {
            request = request.header("Contract-Uuid", contract);
        }
        Answer::of(request.header("Content-Type", "application/json").body("{}"))
    };
    let good = format!("Bearer {}", city.token);
    let unknown = format!("Bearer {}", "0".repeat(32));
    for token in [None, Some(""), Some("Bearer"), Some("Bearer x"), Some(&*unknown), Some(&*city.token)] {
        call(token, Some(&city.contract)).await.is_error(401, "UNAUTHORIZED");
    }
    let missing = call(Some(&good), None).await;
    missing.is_error(400, "INVALID_VALUE");
    assert!(missing.message().contains("Contract-Uuid"));
    for contract in ["x", "CON-00000000000000000000000000000000", &bank.contract] {
        call(Some(&good), Some(contract)).await.is_error(404, "NOT_FOUND");
    }
    call(Some(&good.replace("Bearer", "bearer")), Some(&city.contract)).await.is_error(400, "INVALID_VALUE");

    let path = format!("institutions/{}/contracts/{}", city.id, city.contract);
    assert_eq!(server.admin("DELETE", &path, None).await.0, 204);
    call(Some(&good), Some(&city.contract)).await.is_error(404, "NOT_FOUND");
    let path = format!("institutions/{}/tokens/{}", city.id, city.token_id);
    assert_eq!(server.admin("DELETE", &path, None).await.0, 204);
    call(Some(&good), Some(&city.contract)).await.is_error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn messages_come_in_the_clients_language() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let in_language = |language: &'static str| {
        Answer::of(city.bulk_request("/v1/documents/bulk", bulk(&[])).header("Accept-Language", language))
    };
    assert!(in_language("ko").await.message().contains("이상"));
    assert!(in_language("fr-FR").await.message().contains("이상"));
    assert!(in_language("en-US,en;q=0.9,ko;q=0.1").await.message().contains("must hold 1 to 100"));
    let body = bulk(&[json!({})]);
    let answer =
        Answer::of(city.bulk_request("/v1/documents/bulk", body).header("Accept-Language", "en")).await;
    let message = answer.body["documents"][0]["error_message"].as_str().unwrap();
    assert!(message.contains("documents[0].title: is required"), "{message}");
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_stores_nothing() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let dry = |value: &'static str, body: String| {
        Answer::of(city.bulk_request("/v1/documents/bulk", body).header("Seoham-Dry-Run", value))
    };
    let body = bulk(&[member_document("A"), document("01000000002", "B"), json!(1)]);
    let answer = dry("true", body.clone()).await;
    assert_eq!(answer.status, 200);
    let results = answer.body["documents"].as_array().unwrap();
    assert_eq!(results[0], json!({ "external_document_uuid": "A" }));
    assert_eq!(results[1]["error_code"], "FORBIDDEN");
    assert_eq!(results[2]["error_code"], "INVALID_VALUE");
    dry("maybe", body.clone()).await.is_error(400, "INVALID_VALUE");
    let overview = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    assert_eq!(overview["accepted_today"], 0);
    let single = city.post("/v1/documents", &json!({ "document": member_document("A") }));
    let answer = Answer::of(single.header("Seoham-Dry-Run", "true")).await;
    assert_eq!((answer.status, answer.body), (200, json!({})));
    let refused = city.post("/v1/documents", &json!({ "document": document("01000000002", "B") }));
    Answer::of(refused.header("Seoham-Dry-Run", "true")).await.is_error(403, "FORBIDDEN");
    let metrics = server.metrics().await;
    assert!(metrics.contains(r#"{send="dry_run",verdict="FORBIDDEN"} 2"#), "{metrics}");
    assert!(!metrics.contains(r#"send="single""#), "{metrics}");
}
