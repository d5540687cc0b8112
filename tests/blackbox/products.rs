//! What a contract sells (SPEC 14): how a document is opened, whether its times are certified, and who notifies.

use serde_json::{Value, json};

use crate::harness::{Answer, Browser, Client, Server, Start, document, eventually};
use crate::inbox::{PIN, person};

const TEMPLATE: &str = "[#{기관명}] 전자고지 안내\n#{제목}\n#{내용}\n열람기한 #{열람기한}\n#{고객센터명} #{고객센터번호}\n#{링크}";

async fn set_template(server: &Server, city: &Client, body: &str) -> u16 {
    let path = format!("institutions/{}/templates/document_arrived", city.id);
    server.admin("PUT", &path, Some(json!({ "body": body }))).await.0
}

/// The texts of messages to a number.
async fn messages(server: &Server, number: &str) -> String {
    Browser::at(&server.url("web")).get(&format!("/messenger?number={number}")).await.html
}

pub(crate) fn of_product(number: &str, id: &str, category: &str) -> Value {
    let mut document = document(number, id);
    document["hash"] = json!("a".repeat(64));
    document["common_categories"] = json!([category]);
    document["bridge"] = json!({ "content": "자세한 안내는 시청 누리집에 있습니다." });
    document
}

/// Every product, every category, members and non-members: from the send to the read.
#[tokio::test]
async fn every_product_is_sent_opened_and_read() {
    let server = Start::sandbox().up();
    let mut number = 0;
    for authentication in ["pin", "certificate", "none"] {
        for certified in [false, true] {
            for notice in ["platform", "institution", "none"] {
                let terms =
                    json!({ "authentication": authentication, "certified": certified, "notice": notice });
                let city = server.institution_with("가상시청", terms).await;
                assert_eq!(set_template(&server, &city, TEMPLATE).await, 204);
                for category in ["Default", "BILL", "BILL_PAY", "NOTICE", "CONTRACT", "REPORT"] {
                    for member in [true, false] {
                        number += 1;
                        let phone = format!("0107878{number:04}");
                        person(&city, &phone, member).await;
                        let what = format!("{authentication} {certified} {notice} {category} {member}");
                        lives(&server, &city, &phone, category, member, authentication, notice, &what).await;
                    }
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "a row of the table")]
async fn lives(
    server: &Server,
    city: &Client,
    phone: &str,
    category: &str,
    member: bool,
    authentication: &str,
    notice: &str,
    what: &str,
) {
    let id = city.accepted(&[of_product(phone, "A", category)]).await.remove(0);
    if notice == "none" {
        let shown = eventually("the delivery is over", async || {
            let shown = server.admin("GET", &format!("documents/{id}"), None).await.1;
            (shown["notification"] == "none").then_some(shown)
        })
        .await;
        assert!(shown["user_notified_at"].is_null(), "{what}: {shown}");
    } else {
        city.until_notified(&id).await;
    }
    if !member {
        assert_eq!(city.status(&id).await["doc_box_status"], "SENT", "{what}");
        assert_eq!(city.sandbox("people/join", json!({ "phone_number": phone })).await.status, 204);
    }
    city.until(&id, "RECEIVED").await;
    let token = city.open_token(&id).await;
    assert_eq!(city.verify(&id, &token).await.status, 200, "{what}");
    assert_eq!(city.mark_read(&id).await.status, 204, "{what}");
    let status = city.status(&id).await;
    assert_eq!(status["doc_box_status"], "READ", "{what}");
    assert_eq!(status["authenticated_at"].is_i64(), authentication != "none", "{what}: {status}");
    assert_eq!(status["user_notified_at"].is_i64(), notice != "none", "{what}: {status}");
    let messages = messages(server, phone).await;
    assert_eq!(messages.contains("전자고지 안내"), notice == "institution", "{what}");
    assert_eq!(messages.contains("전자문서가 도착했습니다"), notice == "platform", "{what}");
}

#[tokio::test]
async fn the_box_shows_the_bridge_where_nobody_notifies() {
    let server = Start::sandbox().up();
    let bridge = "자세한 안내는 시청 누리집에 있습니다.";
    for (number, notice) in [("01077776101", "none"), ("01077776102", "platform")] {
        let terms = json!({ "authentication": "pin", "notice": notice });
        let city = server.institution_with("가상시청", terms).await;
        person(&city, number, true).await;
        let id = city.accepted(&[of_product(number, "A", "NOTICE")]).await.remove(0);
        city.until(&id, "RECEIVED").await;
        let mut browser = Browser::at(&server.url("web"));
        let front = browser.get("/").await;
        browser.submit(&front, "/login", &[("phone_number", number)]).await.shows(200, "링크");
        let link = crate::inbox::newest_link(&server, number, &[]).await;
        browser.get(&link).await;
        let page = browser.get(&format!("/documents/{id}")).await;
        page.shows(200, "2026년 자동차세 고지서");
        assert_eq!(page.html.contains(bridge), notice == "none", "{notice}");
        let open = format!("/documents/{id}/open");
        let page = browser.get(&open).await;
        assert_eq!(browser.submit(&page, &open, &[("secret", PIN)]).await.status, 303);
    }
}

#[tokio::test]
async fn without_its_template_an_institution_cannot_send() {
    let server = Start::sandbox().up();
    let terms = json!({ "authentication": "pin", "notice": "institution" });
    let city = server.institution_with("가상시청", terms).await;
    let send = async || {
        let body = crate::harness::bulk(&[document("01000000001", "A")]);
        Answer::of(city.bulk_request("/v1/documents/bulk", body)).await
    };
    let refused = send().await;
    refused.is_error(400, "INVALID_VALUE");
    assert!(refused.message().contains("document_arrived"), "{}", refused.message());
    let shown = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    assert_eq!(shown["contracts"][0]["lacks_template"], true);
    assert_eq!(set_template(&server, &city, "#{이름}님").await, 400);
    assert_eq!(set_template(&server, &city, TEMPLATE).await, 204);
    let id = eventually("the template is known", async || {
        let answer = send().await;
        (answer.status == 200).then(|| answer.body["documents"][0]["document_binder_uuid"].clone())
    })
    .await;
    city.until_notified(id.as_str().unwrap()).await;
    let path = format!("institutions/{}/templates/document_arrived", city.id);
    assert_eq!(server.admin("GET", &path, None).await.1["body"], TEMPLATE);
    assert_eq!(server.admin("DELETE", &path, None).await.0, 204);
    eventually("the template is gone", async || (send().await.status == 400).then_some(())).await;
    let unknown = json!({ "authentication": "pin", "notice": "모두" });
    let (status, wrong) =
        server.admin("POST", &format!("institutions/{}/contracts", city.id), Some(unknown)).await;
    assert!(status == 400 && wrong["error_message"].as_str().unwrap().contains("notice"), "{wrong}");
}
