//! Statistics (SPEC 11): counted to the document, as an agency settles by them.

use std::process::{Command, Stdio};

use seoham_model::SeoulDay;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Start, binary, bulk, document, eventually, member_document};

fn of_nobody(external_document_uuid: &str) -> Value {
    document("01099999999", external_document_uuid)
}

fn without_title(external_document_uuid: &str) -> Value {
    let mut document = member_document(external_document_uuid);
    document["title"] = json!("");
    document
}

async fn send_with(client: &Client, header: (&'static str, &str), documents: &[Value]) {
    let request = client.bulk_request("/v1/documents/bulk", bulk(documents)).header(header.0, header.1);
    assert_eq!(Answer::of(request).await.status, 200);
}

#[tokio::test]
async fn a_day_is_counted_by_contract_and_shown_in_a_spreadsheet() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let terms = json!({ "authentication": "pin", "certified": false });
    let made = server.admin("POST", &format!("institutions/{}/contracts", city.id), Some(terms)).await.1;
    let second = Client { contract: made["contract_uuid"].as_str().unwrap().to_owned(), ..city.clone() };
    // Not at the end of a day, which the steps below could straddle.
    let now = seoham_model::UnixSeconds(city.advance(0).await);
    let noon = SeoulDay::of(now).next().begins_at().plus(12 * 60 * 60);
    let today = SeoulDay::of(seoham_model::UnixSeconds(
        city.advance(u32::try_from(noon.seconds_since(now)).unwrap()).await,
    ));

    let sent = [member_document("A"), member_document("B"), of_nobody("C"), without_title("D")];
    let results = city.send(&sent).await;
    let id = |i: usize| results[i]["document_binder_uuid"].as_str().unwrap().to_owned();
    let single = Answer::of(city.post("/v1/documents", &json!({ "document": of_nobody("E") }))).await;
    single.is_error(400, "UNIDENTIFIED_USER");
    // Checked alone, and told once more: neither is refused again.
    send_with(&city, ("Seoham-Dry-Run", "true"), &[of_nobody("F"), member_document("G")]).await;
    // The last one has no external id, which no key can remember.
    let mut unnamed = of_nobody("");
    unnamed["property"].as_object_mut().unwrap().remove("external_document_uuid");
    for _ in 0..3 {
        let documents = [of_nobody("H"), member_document("I"), unnamed.clone()];
        send_with(&city, ("Idempotency-Key", "2026-11"), &documents).await;
    }
    for document in [id(0), id(1)] {
        city.until_notified(&document).await;
    }
    let token = city.open_token(&id(0)).await;
    city.verify(&id(0), &token).await;
    city.mark_read(&id(0)).await;
    let withdrawn = city.post(&format!("/v1/documents/{}/withdraw", id(1)), &Value::Null);
    assert_eq!(Answer::of(withdrawn).await.status, 204);
    assert_eq!(second.send(&[of_nobody("J")]).await[0]["error_code"], "NOT_FOUND");

    let path = |rest: &str| format!("institutions/{}/statistics{rest}", city.id);
    let first = json!({
        "day": today.to_string(), "contract_uuid": city.contract,
        "accepted": 3, "refused": { "INVALID_VALUE": 2, "NOT_FOUND": 3 },
        "notified": 3, "read": 1, "expired": 0, "withdrawn": 1,
    });
    let of_second = json!({
        "day": today.to_string(), "contract_uuid": second.contract,
        "accepted": 0, "refused": { "NOT_FOUND": 1 }, "notified": 0, "read": 0, "expired": 0, "withdrawn": 0,
    });
    let shown = eventually("everything is counted", async || {
        let (status, shown) = server.admin("GET", &path(""), None).await;
        assert_eq!(status, 200, "{shown}");
        let days = shown["days"].as_array().unwrap();
        (days.len() == 2 && days.contains(&first) && days.contains(&of_second)).then_some(shown)
    })
    .await;
    let total = json!({
        "accepted": 3, "refused": { "INVALID_VALUE": 2, "NOT_FOUND": 4 },
        "notified": 3, "read": 1, "expired": 0, "withdrawn": 1,
    });
    assert_eq!((&shown["total"], &shown["name"]), (&total, &json!("가상시청")));
    assert_eq!((&shown["to"], &shown["institution_id"]), (&json!(today.to_string()), &json!(city.id)));
    let tomorrow = format!("?from={0}&to={0}", today.next());
    assert_eq!(server.admin("GET", &path(&tomorrow), None).await.1["days"], json!([]));
    for bad in ["?from=2026-02-30", "?from=2026-12-01&to=2026-11-01", "?from=2020-01-01&to=2026-11-01"] {
        assert_eq!(server.admin("GET", &path(bad), None).await.0, 400, "{bad}");
    }
    let unknown = "institutions/INS-019ab2c3d4e57f8090a1b2c3d4e5f607/statistics";
    assert_eq!(server.admin("GET", unknown, None).await.0, 404);

    let bank = server.institution("나라은행").await;
    let out = server.data().join("2026-11.csv");
    let admin = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["admin", "--url", &server.url("admin"), "statistics"]).args(arguments);
        command.env("SEOHAM_ADMIN__TOKEN", server.admin_token()).env("LC_ALL", "ko_KR.UTF-8");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    };
    let (status, table, _) = admin(&[&city.id]);
    assert_eq!(status, Some(0));
    for part in ["날짜", "접수", "거절: 수신자 없음", "합계", &city.contract, &today.to_string()]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(!table.contains("수신거부"), "columns of what did not occur: {table}");
    assert!(!table.contains(&bank.id));
    // Every institution, in a file for a spreadsheet program.
    let (status, _, said) = admin(&["--out", out.to_str().unwrap()]);
    assert!(status == Some(0) && said.contains("3행"), "{said}");
    let written = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert!(lines[0].starts_with("\u{feff}기관 번호,기관,날짜,계약,접수,거절: 값 오류,"), "{written}");
    let row = format!("{},가상시청,{today},{},3,2,3,0,0,3,1,0,1", city.id, city.contract);
    assert!(lines.contains(&row.as_str()), "{row}\n{written}");
    assert_eq!(lines[3], ",,합계,,3,2,4,0,0,3,1,0,1");
    let (status, _, said) = admin(&["--out", out.to_str().unwrap()]);
    assert!(status == Some(1) && said.contains("이미 있는 파일"), "{said}");
    let workbook = server.data().join("2026-11.xlsx");
    assert_eq!(admin(&["--out", workbook.to_str().unwrap()]).0, Some(0));
    assert!(std::fs::metadata(workbook).unwrap().len() > 1_000);
}
