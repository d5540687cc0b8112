//! The operator's interface (SPEC 11).

use serde_json::{Value, json};

use crate::harness::{Answer, Start, document, eventually, http, member_document};

#[tokio::test]
async fn it_needs_the_operators_token() {
    let server = Start::sandbox().up();
    let admin = server.url("admin");
    for token in ["", "x", &"0".repeat(64)] {
        let request = http().post(format!("{admin}/admin/v1/institutions")).bearer_auth(token);
        Answer::of(request.json(&json!({ "name": "가" }))).await.is_error(401, "UNAUTHORIZED");
    }
    let city = server.institution("가상시청").await;
    let request = http().get(format!("{admin}/admin/v1/institutions")).bearer_auth(&city.token);
    Answer::of(request).await.is_error(401, "UNAUTHORIZED");
    for open in ["healthz", "readyz", "metrics"] {
        assert_eq!(http().get(format!("{admin}/{open}")).send().await.unwrap().status(), 200, "{open}");
    }
    Answer::of(http().get(format!("{}/admin/v1/institutions", city.api))).await.is_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn institutions_contracts_and_tokens_are_managed() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let path = |rest: &str| format!("institutions/{}{rest}", city.id);
    for (path, body) in [
        ("institutions".to_owned(), json!({ "name": " " })),
        (path("/contracts"), json!({ "authentication": "password" })),
        (path("/contracts"), json!({})),
        (path("/tokens"), json!({ "label": "가", "expires_at": 5 })),
        (path("/tokens"), json!({ "label": 7 })),
    ] {
        assert_eq!(server.admin("POST", &path, Some(body.clone())).await.0, 400, "{path} {body}");
    }
    let nobody = format!("institutions/INS-{}", "0".repeat(32));
    let pin = json!({ "authentication": "pin" });
    assert_eq!(server.admin("POST", &format!("{nobody}/contracts"), Some(pin)).await.0, 404);
    assert_eq!(server.admin("GET", &nobody, None).await.0, 404);
    let bank = server.institution("가상은행").await;
    let foreign = format!("institutions/{}/tokens/{}", bank.id, city.token_id);
    assert_eq!(server.admin("DELETE", &foreign, None).await.0, 404);

    let expires_at = city.advance(0).await + 50;
    let label = json!({ "label": "교체용", "expires_at": expires_at });
    let (status, second) = server.admin("POST", &path("/tokens"), Some(label)).await;
    assert_eq!(status, 201);
    let mut rotated = city.clone();
    rotated.token = second["access_token"].as_str().unwrap().to_owned();
    city.accepted(&[member_document("A")]).await;
    rotated.accepted(&[member_document("B")]).await;
    city.advance(51).await;
    Answer::of(rotated.get("/v1/documents/BIN-1/status")).await.is_error(401, "UNAUTHORIZED");

    let overview = server.admin("GET", &path(""), None).await.1;
    assert_eq!(overview["accepted_today"], 2);
    assert_eq!(overview["tokens"].as_array().unwrap().len(), 2);
    assert!(!overview.to_string().contains(&city.token), "a token is shown once");
    let listed = server.admin("GET", "institutions", None).await.1;
    assert_eq!(listed["institutions"].as_array().unwrap().len(), 2);
    let twice = http().get(format!("{}/admin/v1/institutions?after=a&after=b", server.url("admin")));
    Answer::of(twice.bearer_auth(server.admin_token())).await.is_error(400, "INVALID_VALUE");
    assert_eq!(server.admin("GET", "documents/%FF", None).await.1["error_code"], "NOT_FOUND");
}

#[tokio::test]
async fn people_are_imported_line_by_line() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut lines: Vec<String> = (0..2_500)
        .map(|i| {
            let number = format!("0102000{i:04}");
            json!({ "phone_number": number, "name": "김가상", "birthday": "19700101", "member": i % 2 == 0 })
                .to_string()
        })
        .collect();
    lines[9] = "{".to_owned();
    lines[19] = json!({ "phone_number": "01020000019", "name": "김가상", "member": true }).to_string();
    lines[29] = lines[28].replace("19700101", "19700102");
    lines[39] = String::new();
    let report = server.import(lines.join("\r\n")).await;
    assert_eq!(report["imported"], 2_496);
    let rejected: Vec<_> =
        report["rejected"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap()).collect();
    assert_eq!(rejected, [10, 20, 30]);
    assert!(report["rejected"][1]["error_message"].as_str().unwrap().contains("birthday"));
    assert!(!report.to_string().contains("0102000"), "no personal value");
    let again = server.import(lines[..5].join("\n")).await;
    assert_eq!(again["imported"], 5, "the same people again");

    let mut to_them = document("01020000002", "A");
    to_them["receiver"]["birthday"] = json!("19700101");
    let id = city.accepted(&[to_them]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    let shown = server.admin("GET", &format!("documents/{id}"), None).await.1;
    assert_eq!(shown["receiver"]["phone_number"], "010****0002");
    assert_eq!(shown["receiver"]["name"], "김*상");
    assert_eq!(shown["external_document_uuid"], "A");
    assert_eq!(shown["institution_id"], city.id);
    assert!(!shown.to_string().contains("19700101"));
    assert_eq!(server.admin("GET", "documents/BIN-1", None).await.0, 404);
}

/// A number that passed on to another person: the next owner gets their own documents, and nothing that was sent to
/// the number lets anybody into the former owner's box.
#[tokio::test]
async fn a_number_passes_on_to_its_next_owner() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775009";
    let (mut browser, _, id) = crate::inbox::signed_in(&server, &city, number).await;
    let link = crate::inbox::newest_link(&server, number, &[]).await;
    let next = |assigned_on: &str| {
        json!({ "phone_number": number, "phone_assigned_on": assigned_on, "name": "박다음", "birthday": "19850505",
                "member": true })
        .to_string()
    };
    // The former owner was registered today, without a day.
    let refused = server.import(next("2020-01-01")).await;
    let message = refused["rejected"][0]["error_message"].as_str().unwrap().to_owned();
    assert!(message.contains("phone_assigned_on") && refused["imported"] == 0, "{message}");
    let corrected = json!({ "phone_number": number, "phone_assigned_on": "2010. 3. 2", "name": "서함시험",
                            "birthday": "19900101", "member": true });
    let moved = server.import(format!("{corrected}\n{}", next("2020-01-01"))).await;
    assert_eq!(
        (&moved["imported"], moved["numbers_moved"][0]["line"].as_u64()),
        (&json!(2), Some(2)),
        "{moved}"
    );
    assert!(moved["numbers_moved"][0]["from_person_id"].as_str().is_some_and(|id| id.starts_with("PER-")));
    assert!(!moved.to_string().contains(number));

    browser.get("/documents").await.shows(200, "로그아웃되었습니다");
    let mut phone = crate::harness::Browser::at(&server.url("web"));
    assert_ne!(phone.get(&link).await.status, 303, "the link signs nobody in");
    assert!(phone.cookie().is_none());
    let shown = server.admin("GET", &format!("documents/{id}"), None).await.1;
    assert!(shown["receiver"]["phone_number"].is_null() && shown["doc_box_status"] == "RECEIVED", "{shown}");
    let mut theirs = document(number, "B");
    theirs["receiver"]["birthday"] = json!("19850505");
    let theirs = city.accepted(&[theirs]).await.remove(0);
    city.until(&theirs, "RECEIVED").await;
    city.until_notified(&theirs).await;
    let former = city.send(&[document(number, "C")]).await;
    assert_eq!(former[0]["error_code"], "NOT_FOUND", "the number is not theirs any more");
}

#[tokio::test]
async fn an_import_that_ends_early_says_where_to_go_on() {
    let server = Start::sandbox().up();
    let person = |i: u32| {
        let number = format!("0102000{i:04}");
        json!({ "phone_number": number, "name": "김가상", "birthday": "19700101", "member": true })
            .to_string()
    };
    let import = |body: String| {
        let request = http().post(format!("{}/admin/v1/people", server.url("admin")));
        Answer::of(request.bearer_auth(server.admin_token()).header("Accept-Language", "en").body(body))
    };
    let long = "x".repeat(16 * 1024 + 1);
    for end in ["", "\n"] {
        let stopped = import(format!("{}\n{{\n{}\n{long}{end}", person(1), person(2))).await;
        stopped.is_error(400, "INVALID_VALUE");
        let says = "2 people were imported, go on from line 4";
        assert!(stopped.message().contains(says), "{}", stopped.message());
    }
}

#[tokio::test]
async fn metrics_tell_what_happens() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A"), member_document("B")]).await.remove(0);
    city.send(&[json!(null)]).await;
    city.until_notified(&id).await;
    city.verify(&id, "secret-token-value").await;
    let metrics = server.metrics().await;
    let waits = if start.backing().is_embedded() {
        r#"seoham_writer_wait_seconds_bucket{lane="interactive""#
    } else {
        r#"seoham_connection_wait_seconds_bucket{lane="interactive""#
    };
    for expected in [
        waits,
        r#"seoham_items_total{send="bulk",verdict="accepted"} 2"#,
        r#"seoham_items_total{send="bulk",verdict="INVALID_VALUE"} 1"#,
        r#"route="/v1/documents/bulk""#,
        r#"seoham_notifications_total{outcome="taken"} 2"#,
        "seoham_commit_rows_bucket",
        "seoham_commit_seconds_bucket",
        r#"seoham_token_verifications_total{verdict="unknown"} 1"#,
    ] {
        assert!(metrics.contains(expected), "{expected} in\n{metrics}");
    }
    assert!(!metrics.contains("secret-token-value") && !metrics.contains(&id));
}

#[tokio::test]
async fn the_queue_is_shown_by_institution() {
    let start = Start::sandbox()
        .env("SEOHAM_NOTIFIER__URL", "http://127.0.0.1:9/nobody")
        .env("SEOHAM_NOTIFIER__SECRET", "c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==");
    let server = start.up();
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&[member_document("A"), member_document("B")]).await;
    city.until(&ids[0], "RECEIVED").await;
    let depth = format!("seoham_queue_depth{{institution=\"{}\"}} 2", city.id);
    let metrics = eventually("the gauge is there", async || {
        Some(server.metrics().await).filter(|metrics| metrics.contains(&depth))
    })
    .await;
    assert!(metrics.contains("seoham_queue_oldest_age_seconds"));
}

#[tokio::test]
async fn the_command_line_covers_it() {
    let server = Start::sandbox().up();
    let token_file = server.ready()["admin_token_file"].as_str().unwrap().to_owned();
    let url = server.url("admin");
    let run_in = |locale: &str, arguments: &[&str]| {
        let output = std::process::Command::new(crate::harness::binary())
            .args(["admin", "--url", &url, "--token-file", &token_file])
            .args(arguments)
            .env("LC_ALL", locale)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        (output.status.success(), value, String::from_utf8(output.stderr).unwrap())
    };
    let run = |arguments: &[&str]| run_in("C.UTF-8", arguments);
    let (_, made, _) = run(&["institution", "create", "가상구청"]);
    let id = made["institution_id"].as_str().unwrap();
    let (_, contract, _) = run(&["contract", "create", id, "--authentication", "certificate", "--certified"]);
    let contract = contract["contract_uuid"].as_str().unwrap();
    let (_, token, _) = run(&["token", "create", id, "--label", "운영"]);
    assert_eq!(token["access_token"].as_str().unwrap().len(), 32);
    let (_, shown, _) = run(&["institution", "show", id]);
    assert_eq!(shown["contracts"][0]["certified"], true);
    let (_, listed, _) = run(&["institution", "list"]);
    assert_eq!(listed["institutions"][0]["name"], "가상구청");
    assert!(run(&["token", "revoke", id, token["token_id"].as_str().unwrap()]).0);
    assert!(run(&["contract", "close", "--yes", id, contract]).0);
    assert!(run(&["notifications", "given-up"]).0 && run(&["notifications", "waiting"]).0);
    let people = server.data().join("people.ndjson");
    let line =
        json!({ "phone_number": "01012340000", "name": "김가상", "birthday": "19700101", "member": true });
    std::fs::write(&people, line.to_string()).unwrap();
    let (_, imported, _) = run(&["import-people", people.to_str().unwrap()]);
    assert_eq!(imported["imported"], 1);
    // Its own messages, and the server's, use the language of the terminal.
    let is_korean = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
    for (locale, korean) in [("C.UTF-8", false), ("ko_KR.UTF-8", true)] {
        let (ok, _, complaint) = run_in(locale, &["document", "BIN-1"]);
        assert!(!ok && complaint.contains("404") && is_korean(&complaint) == korean, "{complaint}");
        let (ok, _, complaint) = run_in(locale, &["contract", "close", id, contract]);
        assert!(!ok && complaint.contains("--yes") && is_korean(&complaint) == korean, "{complaint}");
    }
}
