//! The list, a document's page and the operator's settings for them, as a recipient sees them.

use serde_json::json;

use crate::harness::{Browser, Server, Start, document, http};
use crate::inbox::{PIN, newest_link, person, signed_in};

/// The smallest PNG there is.
const PICTURE: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\
\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\xa7\x0c\x81\x9d\0\0\0\0IEND\xaeB`\x82";

async fn put_picture(server: &Server, institution: &str, body: Vec<u8>) -> u16 {
    let url = format!("{}/admin/v1/institutions/{institution}/mark", server.url("admin"));
    let request = http().put(url).bearer_auth(server.admin_token()).body(body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_list_is_searched_filtered_and_sorted() {
    let server = Start::sandbox().up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("나라은행").await);
    let number = "01077776001";
    person(&city, number, true).await;
    let titled = |title: &str, external: &str, seconds: i64, kind: &str| {
        let mut document = document(number, external);
        document["title"] = json!(title);
        document["read_expired_sec"] = json!(seconds);
        document["common_categories"] = json!([kind]);
        document
    };
    city.accepted(&[titled("재산세 고지서", "A", 20 * 86_400 + 900, "BILL")]).await;
    city.accepted(&[titled("행사 안내", "B", 3 * 86_400 + 900, "NOTICE")]).await;
    bank.accepted(&[titled("거래 보고", "C", 1_860, "REPORT")]).await;
    let link = newest_link(&server, number, &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    browser.get(&link).await;
    let mut titles = async |query: &str| {
        let page = browser.get(&format!("/documents{query}")).await;
        assert_eq!(page.status, 200, "{}", page.html);
        let titles = page
            .html
            .split("<strong lang=\"ko\">")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap().to_owned());
        (titles.collect::<Vec<_>>(), page)
    };
    let (all, page) = titles("").await;
    assert_eq!(all, ["거래 보고", "행사 안내", "재산세 고지서"], "newest first");
    page.shows(200, "안 읽음 <b>3</b>");
    // Marked as urgent at seven days, and more so at one.
    page.shows(200, "<span class=\"chip now\">");
    page.shows(200, "<span class=\"chip soon\">3일 남음</span>");
    page.shows(200, "<span class=\"chip \">20일 남음</span>");
    // The default mark of an institution is made from its name.
    page.shows(200, ">가상</span>");
    assert_eq!(titles("?sort=deadline").await.0, ["거래 보고", "행사 안내", "재산세 고지서"]);
    assert_eq!(titles("?q=%EB%82%98%EB%9D%BC").await.0, ["거래 보고"], "by institution");
    assert_eq!(titles("?q=%EC%95%88%EB%82%B4").await.0, ["행사 안내"], "by title");
    assert_eq!(titles("?kind=bill").await.0, ["재산세 고지서"]);
    assert_eq!(titles("?kind=nonsense&sort=x").await.0.len(), 3);
    let (none, page) = titles("?q=%3Cscript%3E").await;
    assert!(none.is_empty());
    page.shows(200, "찾으시는 문서가 없습니다");
    assert!(!page.html.contains("<script"), "{}", page.html);
    city.advance(1_860).await;
    let (left, page) = titles("").await;
    assert_eq!(left, ["행사 안내", "재산세 고지서"]);
    page.shows(200, "안 읽음 <b>2</b>");
}

#[tokio::test]
async fn a_card_shows_amount_due_date_and_mark_where_the_operator_set_them() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077776002";
    person(&city, number, true).await;
    let mut bill = document(number, "A");
    bill["property"]["payload"] = json!(r#"{"amt":"184,500","due":"2027-01-31"}"#);
    let id = city.accepted(&[bill]).await.remove(0);
    let mut browser = Browser::at(&server.url("web"));
    let page = browser.get(&newest_link(&server, number, &[]).await).await;
    assert!(!page.html.contains("184,500"), "a payload is opaque");
    let set = async |contract: &str, card| {
        server.admin("PUT", &format!("contracts/{contract}/card"), Some(card)).await.0
    };
    assert_eq!(set(&city.contract, json!({ "amount": "amt", "due": "due" })).await, 204);
    assert_eq!(set("CON-00000000000000000000000000000000", json!({ "amount": "amt" })).await, 404);
    assert_eq!(set(&city.contract, json!({ "amount": 1 })).await, 400);
    for address in ["/documents".to_owned(), format!("/documents/{id}")] {
        let page = browser.get(&address).await;
        page.shows(200, "184,500원");
        page.shows(200, "2027년 1월 31일");
    }
    let institution = city.id.clone();
    assert_eq!(put_picture(&server, &institution, PICTURE.to_vec()).await, 204);
    assert_eq!(put_picture(&server, &institution, b"<svg>".to_vec()).await, 400);
    assert_eq!(put_picture(&server, &institution, vec![0; 70_000]).await, 400);
    let page = browser.get("/documents").await;
    let mark = format!("/institutions/{institution}/mark");
    page.shows(200, &format!("src=\"{mark}\""));
    let picture = http().get(format!("{}{mark}", server.url("web"))).send().await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/png");
    assert_eq!(picture.bytes().await.unwrap(), PICTURE);
    assert_eq!(server.admin("DELETE", &mark[1..], None).await.0, 204);
    browser.get("/documents").await.shows(200, ">가상</span>");
    assert_eq!(set(&city.contract, json!({})).await, 204);
    assert!(!browser.get("/documents").await.html.contains("184,500"));
}

#[tokio::test]
async fn without_authentication_a_document_opens_by_one_button() {
    let server = Start::sandbox().up();
    let city = server.institution_with("가상시청", json!({ "authentication": "none" })).await;
    let (mut browser, page, id) = signed_in(&server, &city, "01077776003").await;
    page.shows(200, "추가 인증 없이 바로 열립니다");
    let open = format!("/documents/{id}/open");
    // Prefetching does not open it.
    assert_eq!(browser.get(&open).await.location, None);
    assert!(city.status(&id).await.get("token_used_at").is_none());
    let led = browser.submit(&page, &open, &[]).await;
    assert_eq!(led.status, 303);
    let url = reqwest::Url::parse(led.location.as_deref().unwrap()).unwrap();
    let token = url.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned();
    assert_eq!(city.verify(&id, &token).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    let status = city.status(&id).await;
    assert_eq!(status["doc_box_status"], "READ");
    assert!(status.get("authenticated_at").is_none(), "{status}");
}

#[tokio::test]
async fn a_documents_page_says_what_it_needs_and_gives_a_certificate() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let (mut browser, page, id) = signed_in(&server, &city, "01077776004").await;
    page.shows(200, "PIN 6자리를 입력하면 열립니다");
    page.shows(200, "href=\"tel:");
    let asked = browser.get(&format!("/documents/{id}/open")).await;
    asked.shows(200, ">확인</button>");
    asked.shows(200, "inputmode=\"numeric\"");
    asked.shows(200, "autocomplete=\"one-time-code\"");
    let receipt = format!("/documents/{id}/receipt");
    let before = browser.get(&receipt).await;
    before.shows(200, "수신 확인서");
    before.shows(200, "유통증명서가 아닙니다");
    assert!(!before.html.contains("열람 일시"));
    let token = city.open_token(&id).await;
    city.verify(&id, &token).await;
    city.mark_read(&id).await;
    let after = browser.get(&receipt).await;
    after.shows(200, "수신·열람 확인서");
    after.shows(200, "열람 일시");
    browser.get("/documents?shelf=read").await.shows(200, "읽음</span>");
    let mut later = browser.clone();
    let english = browser.clone().in_english().get(&receipt).await;
    english.shows(200, "<html lang=\"en\">");
    english.shows(200, "Certificate of receipt and reading");
    // From the deadline on it cannot be opened, and the list says so.
    city.advance(40 * 86_400).await;
    let known = newest_link(&server, "01077776004", &[]).await;
    later.post("/login", &[("phone_number", "01077776004")]).await;
    later.get(&newest_link(&server, "01077776004", &[known]).await).await;
    later.get("/documents?shelf=read").await.shows(200, "기한 지남</span>");
    later.get(&format!("/documents/{id}/open")).await.shows(410, "열람기한이 지났습니다");
}

#[tokio::test]
async fn the_operators_name_texts_and_colour_are_on_every_page() {
    let texts = tempfile::tempdir().unwrap();
    let terms = texts.path().join("terms.txt");
    std::fs::write(&terms, "제1조 이 약관은 시험용입니다.").unwrap();
    let server = Start::sandbox()
        .env("SEOHAM_BRAND__NAME", "우리시 문서함")
        .env("SEOHAM_BRAND__NAME_EN", "Our City Box")
        .env("SEOHAM_BRAND__COLOR", "#0a5c36")
        .env("SEOHAM_BRAND__CONTACT", "02-000-0000")
        .env("SEOHAM_BRAND__TERMS_FILE", terms.to_str().unwrap())
        .up();
    let city = server.institution("가상시청").await;
    let number = "01077776005";
    person(&city, number, false).await;
    city.accepted(&[document(number, "A")]).await;
    let mut browser = Browser::at(&server.url("web"));
    let front = browser.get("/").await;
    for part in ["우리시 문서함", "02-000-0000", "시험 환경입니다", "rel=\"icon\"", "rel=\"manifest\""]
    {
        front.shows(200, part);
    }
    browser.get("/style.css").await.shows(200, "--accent:#0a5c36");
    browser.get("/icon").await.shows(200, "#0a5c36");
    browser.get("/manifest").await.shows(200, "\"name\":\"우리시 문서함\"");
    browser.clone().in_english().get("/nowhere").await.shows(404, "Our City Box");
    let join = browser.get(&newest_link(&server, number, &[]).await).await;
    join.shows(200, "제1조 이 약관은 시험용입니다.");
    let fields = [("consent", "yes"), ("pin", PIN), ("pin_again", PIN)];
    browser.submit(&join, "/join", &fields).await.shows(200, "가입이 끝났습니다");
    browser.get("/settings").await.shows(200, "동의하신 때");
    browser.get("/terms").await.shows(200, "제1조");
    browser.get("/privacy").await.shows(404, "찾으시는 페이지가 없습니다");
    browser.post("/login", &[("phone_number", number)]).await;
    crate::harness::eventually("the message names the box", async || {
        let phone = browser.get(&format!("/messenger?number={number}")).await;
        phone.html.contains("[우리시 문서함] 문서함 로그인 링크입니다").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_test_messenger_is_paged_newest_first() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077776006";
    person(&city, number, true).await;
    let many: Vec<_> = (0..45).map(|i| document(number, &format!("M-{i}"))).collect();
    city.accepted(&many).await;
    let mut browser = Browser::at(&server.url("web"));
    let mut counted = async |page: usize| {
        let shown = browser.get(&format!("/messenger?number={number}&page={page}")).await;
        (shown.links("/l/").len(), shown)
    };
    crate::harness::eventually("all messages are there", async || (counted(2).await.0 == 5).then_some(()))
        .await;
    let (first, page) = counted(0).await;
    assert_eq!((first, counted(1).await.0), (20, 20));
    assert_eq!(page.links("page=1").len(), 1);
    assert_eq!(counted(99).await.0, 5, "the last");
}
