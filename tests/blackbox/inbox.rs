//! The recipient's box, in a browser without scripts.

use serde_json::json;

use crate::harness::{Browser, Client, Page, Server, Start, document, eventually};

pub(crate) const PIN: &str = "135790";

/// The newest link that the simulated messenger sent to a number.
pub(crate) async fn newest_link(server: &Server, number: &str, but_not: &[String]) -> String {
    let mut browser = Browser::at(&server.url("web"));
    eventually("the message has come", async || {
        let page = browser.get(&format!("/messenger?number={number}")).await;
        page.links("/l/").into_iter().find(|link| !but_not.contains(link))
    })
    .await
}

pub(crate) async fn person(city: &Client, number: &str, member: bool) {
    let person = json!({
        "phone_number": number, "name": "김가상", "birthday": "19900101", "member": member, "pin": PIN,
    });
    assert_eq!(city.sandbox("people", person).await.status, 201);
}

/// A member with a document, signed in through its notification.
pub(crate) async fn signed_in(server: &Server, city: &Client, number: &str) -> (Browser, Page, String) {
    person(city, number, true).await;
    let id = city.accepted(&[document(number, "EXT-1")]).await.remove(0);
    let link = newest_link(server, number, &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    let page = browser.get(&link).await;
    (browser, page, id)
}

#[tokio::test]
async fn from_the_notification_to_read_in_four_actions() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    // Tap the link: the document itself.
    let (mut browser, page, id) = signed_in(&server, &city, "01077770001").await;
    page.shows(200, "2026년 자동차세 고지서");
    page.shows(200, "가상시청");
    page.shows(200, "기한 안에 납부해 주십시오.");
    page.shows(200, "문서확인후 납부");
    page.shows(200, "일 남음");
    // Tap open, type the PIN.
    let open = page.links("/open").remove(0);
    let page = browser.get(&open).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.ends_with("form-action 'self' https: http:"));
    let page = browser.submit(&page, &open, &[("secret", PIN)]).await;
    assert_eq!(page.status, 303);
    let url = reqwest::Url::parse(page.location.as_deref().unwrap()).unwrap();
    assert_eq!((url.host_str(), url.fragment()), (Some("tax.example.kr"), Some("top")));
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["year"], "2026");
    assert_eq!(query["external_document_uuid"], "EXT-1");
    assert_eq!(query["document_binder_uuid"], id);
    assert_eq!(city.verify(&id, &query["token"]).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    let status = city.status(&id).await;
    assert_eq!(status["doc_box_status"], "READ");
    assert!(status["authenticated_at"].is_i64());
    browser.get("/documents?shelf=read").await.shows(200, "2026년 자동차세 고지서");
    browser.get("/documents").await.shows(200, "새로 온 문서가 없습니다");
}

#[tokio::test]
async fn a_link_lets_in_once_and_previews_do_not_use_it_up() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    person(&city, "01077770001", true).await;
    city.accepted(&[document("01077770001", "A")]).await;
    let link = newest_link(&server, "01077770001", &[]).await;
    // A messenger fetches links for a preview before anybody taps them.
    for _ in 0..2 {
        let preview = crate::harness::http().get(&link).send().await.unwrap();
        assert_eq!(preview.status(), 200);
        assert!(preview.headers().get("set-cookie").is_none());
        assert!(
            crate::harness::http().head(&link).send().await.unwrap().headers().get("set-cookie").is_none()
        );
    }
    let mut first = Browser::at(&server.url("web"));
    first.get(&link).await.shows(200, "자동차세");
    let mut again = Browser::at(&server.url("web"));
    again.get(&link).await.shows(200, "이미 사용했거나");
    again.get("/documents").await.shows(200, "로그인 링크 받기");
    first.get(&link).await.shows(200, "자동차세");

    // Requests another link. The reply does not reveal whether a number is known.
    let asked = first.post("/login", &[("phone_number", "010-7777-0001")]).await;
    let stranger = first.post("/login", &[("phone_number", "01099998888")]).await;
    assert_eq!((asked.status, &asked.html), (stranger.status, &stranger.html));
    let new = newest_link(&server, "01077770001", &[link]).await;
    let page = again.get(&new).await;
    page.shows(200, "내 문서");
    page.shows(200, "자동차세");
    // Requesting a link does not change the browser's current session.
    let before = again.cookie().unwrap().to_owned();
    again.post("/login", &[("phone_number", "01077770001")]).await;
    assert_eq!(again.cookie(), Some(before.as_str()));
    let english = Browser::at(&server.url("web")).in_english().get("/").await;
    english.shows(200, "Send me a link");
}

#[tokio::test]
async fn who_is_no_member_joins_first() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    person(&city, "01077770002", false).await;
    let ids = city.accepted(&[document("01077770002", "A"), document("01077770002", "B")]).await;
    let link = newest_link(&server, "01077770002", &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    let page = browser.get(&link).await;
    page.shows(200, "가입하고 문서를 받아 보십시오");
    let before = browser.cookie().unwrap().to_owned();
    for (fields, says) in [
        (vec![("pin", "246813"), ("pin_again", "246813")], "동의란에 표시해"),
        (
            vec![("consent", "yes"), ("pin", "246813"), ("pin_again", "246814")],
            "위에 입력하신 PIN과 다릅니다",
        ),
        (vec![("consent", "yes"), ("pin", "123456"), ("pin_again", "123456")], "이어지는 숫자로는"),
        (vec![("consent", "yes"), ("pin", "12ab56"), ("pin_again", "12ab56")], "숫자 6자리"),
    ] {
        let page = browser.get("/join").await;
        browser.submit(&page, "/join", &fields).await.shows(400, says);
    }
    assert_eq!(city.status(&ids[0]).await["doc_box_status"], "SENT");
    let page = browser.get("/join").await;
    let joined = [("consent", "yes"), ("pin", "246813"), ("pin_again", "246813")];
    let page = browser.submit(&page, "/join", &joined).await;
    page.shows(200, "가입이 끝났습니다");
    let list = browser.get("/documents").await;
    assert_eq!(list.links("/documents/BIN-").len(), 2);
    assert_ne!(browser.cookie(), Some(before.as_str()), "a new session for somebody who may do more");
    assert_eq!(city.status(&ids[0]).await["doc_box_status"], "RECEIVED");
    let open = format!("/documents/{}/open", ids[0]);
    let page = browser.get(&open).await;
    assert_eq!(browser.submit(&page, &open, &[("secret", "246813")]).await.status, 303);
}

#[tokio::test]
async fn five_wrong_pins_lock_for_a_quarter_of_an_hour() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let (mut browser, _, id) = signed_in(&server, &city, "01077770003").await;
    let open = format!("/documents/{id}/open");
    let page = browser.get(&open).await;
    // Malformed input does not count as an attempt.
    for malformed in ["", "13579", "1357901", "13579O", "１３５７９０"] {
        let said = browser.submit(&page, &open, &[("secret", malformed)]).await;
        said.shows(400, "시도하신 횟수에는 들어가지 않습니다");
    }
    for left in (1..5).rev() {
        let said = browser.submit(&page, &open, &[("secret", "000111")]).await;
        said.shows(403, &format!("{left}번 더"));
    }
    browser.submit(&page, &open, &[("secret", "000111")]).await.shows(403, "잠겼습니다");
    browser.submit(&page, &open, &[("secret", PIN)]).await.shows(403, "잠겼습니다");
    assert!(city.status(&id).await.get("authenticated_at").is_none());
    city.advance(15 * 60).await;
    assert_eq!(browser.submit(&page, &open, &[("secret", PIN)]).await.status, 303);
}

#[tokio::test]
async fn from_the_deadline_on_not_even_what_was_read_opens() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let (mut browser, _, id) = signed_in(&server, &city, "01077770009").await;
    let token = city.open_token(&id).await;
    assert_eq!(city.verify(&id, &token).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    let page = browser.get(&format!("/documents/{id}/open")).await;
    city.advance(40 * 24 * 60 * 60).await;
    assert_eq!(city.status(&id).await["doc_box_status"], "READ", "it stays read");
    city.open(&id).await.is_error(403, "FORBIDDEN");
    // The session has ended meanwhile, and the page is no longer valid.
    let said = browser.submit(&page, &format!("/documents/{id}/open"), &[("secret", PIN)]).await;
    assert!(said.location.is_none_or(|location| !location.contains("token=")));
}

#[tokio::test]
async fn nobody_reaches_anothers_document() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut visitors = Vec::new();
    for number in ["01077770004", "01077770005", "01077770006"] {
        visitors.push(signed_in(&server, &city, number).await);
    }
    let ids: Vec<String> = visitors.iter().map(|(_, _, id)| id.clone()).collect();
    for (i, (browser, page, _)) in visitors.iter_mut().enumerate() {
        for (j, id) in ids.iter().enumerate() {
            let open = format!("/documents/{id}/open");
            let refuse = format!("/documents/{id}/refuse");
            let own = i == j;
            let csrf = page
                .html
                .split("name=\"csrf\" value=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            assert_eq!(browser.get(&format!("/documents/{id}")).await.status, if own { 200 } else { 404 });
            assert_eq!(browser.get(&open).await.status, if own { 200 } else { 404 });
            let opened = browser.post(&open, &[("csrf", &csrf), ("secret", PIN)]).await;
            assert_eq!(opened.status, if own { 303 } else { 404 });
            if !own {
                assert_eq!(browser.post(&refuse, &[("csrf", &csrf)]).await.status, 404);
            }
        }
    }
    // A form that was not submitted from our pages changes nothing.
    let (browser, _, id) = &mut visitors[0];
    let refuse = format!("/documents/{id}/refuse");
    browser.post(&refuse, &[("csrf", "guessed")]).await.shows(403, "오래되었습니다");
    let mut stranger = Browser::at(&server.url("web"));
    for cookie in [None, Some("seoham-session=guessed".to_owned()), Some("seoham-session=".to_owned())] {
        stranger.set_cookie(cookie);
        stranger.get(&format!("/documents/{id}")).await.shows(200, "로그인 링크 받기");
    }
}

#[tokio::test]
async fn institutions_are_refused_and_received_again() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let (mut browser, page, id) = signed_in(&server, &city, "01077770007").await;
    let refuse = format!("/documents/{id}/refuse");
    assert!(page.links("/refuse").contains(&refuse));
    let asked = browser.get(&refuse).await;
    asked.shows(200, "앞으로 이 기관이 보내는 전자문서는 문서함에 들어오지 않습니다");
    let done = browser.submit(&asked, &refuse, &[]).await;
    done.shows(200, "앞으로 보내는 문서는 받지 않습니다");
    // One tap undoes it.
    let accept = format!("/documents/{id}/accept");
    browser.submit(&done, &accept, &[]).await.shows(200, "문서를 다시 받습니다");
    assert_eq!(city.accepted(&[document("01077770007", "Q")]).await.len(), 1);
    browser.submit(&asked, &refuse, &[]).await.shows(200, "받지 않고 있습니다");
    let refused = city.send(&[document("01077770007", "R")]).await.remove(0);
    assert_eq!(refused["error_code"], "FORBIDDEN");
    let settings = browser.get("/settings").await;
    settings.shows(200, "가상시청");
    browser.submit(&settings, "/settings/accept", &[]).await.shows(200, "없습니다. 문서 화면에서 수신거부");
    assert_eq!(city.accepted(&[document("01077770007", "S")]).await.len(), 1);
}

#[tokio::test]
async fn a_pin_is_changed_and_other_visits_end() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let (mut browser, _, id) = signed_in(&server, &city, "01077770008").await;
    let mut elsewhere = browser.clone();
    let settings = browser.get("/settings").await;
    let change = |current: &'static str| [("current", current), ("pin", "975310"), ("pin_again", "975310")];
    browser
        .submit(&settings, "/settings/pin", &change("000000"))
        .await
        .shows(403, "PIN이 맞지 않습니다. 4번 더");
    let page = browser.submit(&settings, "/settings/pin", &change(PIN)).await;
    page.shows(200, "새 PIN을 정했습니다");
    eventually("they are told by messenger", async || {
        let phone = browser.get("/messenger?number=01077770008").await;
        phone.html.contains("PIN이 바뀌었습니다").then_some(())
    })
    .await;
    elsewhere.get("/documents").await.shows(200, "로그인 링크 받기");
    let open = format!("/documents/{id}/open");
    let page = browser.get(&open).await;
    browser.submit(&page, &open, &[("secret", PIN)]).await.shows(403, "4번 더");
    assert_eq!(browser.submit(&page, &open, &[("secret", "975310")]).await.status, 303);
    let settings = browser.get("/settings").await;
    browser.submit(&settings, "/signout/everywhere", &[]).await.shows(200, "로그인 링크 받기");
    assert_eq!(browser.cookie(), None);
}

#[tokio::test]
async fn certified_contracts_ask_for_the_certificates_password() {
    let server = Start::sandbox().up();
    let bank = server.institution_with("가상은행", json!({ "authentication": "certificate" })).await;
    let (mut browser, _, id) = signed_in(&server, &bank, "01077770009").await;
    let open = format!("/documents/{id}/open");
    let page = browser.get(&open).await;
    page.shows(200, "인증서 비밀번호");
    // The password can be set on the same page.
    let set_here = format!("/documents/{id}/certificate");
    let short = [("current", PIN), ("password", "짧음"), ("password_again", "짧음")];
    browser.submit(&page, &set_here, &short).await.shows(400, "10자 이상");
    let password = "가상 비밀번호 열 자";
    let set = |before: &'static str| {
        [("current", PIN), ("current_password", before), ("password", password), ("password_again", password)]
    };
    let page = browser.submit(&page, &set_here, &set("")).await;
    page.shows(200, "인증서 비밀번호를 정했습니다");
    let settings = browser.get("/settings").await;
    browser.submit(&settings, "/settings/certificate", &set("")).await.shows(400, "횟수에는 들어가지");
    let other = set("다른 비밀번호 열두 글자");
    browser.submit(&settings, "/settings/certificate", &other).await.shows(403, "맞지 않습니다");
    browser.submit(&settings, "/settings/certificate", &set(password)).await.shows(200, "정했습니다");
    browser.submit(&page, &open, &[("secret", PIN)]).await.shows(400, "10자 이상");
    assert_eq!(browser.submit(&page, &open, &[("secret", password)]).await.status, 303);
}

#[tokio::test]
async fn an_expired_document_stands_apart_and_does_not_open() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    person(&city, "01077770010", true).await;
    let mut short = document("01077770010", "A");
    short["read_expired_sec"] = json!(600);
    let id = city.accepted(&[short]).await.remove(0);
    let link = newest_link(&server, "01077770010", &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    browser.get(&link).await.shows(200, "분 남음");
    let open = format!("/documents/{id}/open");
    let page = browser.get(&open).await;
    city.advance(600).await;
    browser.submit(&page, &open, &[("secret", PIN)]).await.shows(410, "열람기한이 지났습니다");
    browser.get("/documents?shelf=expired").await.shows(200, "기한 지남");
    browser.get(&format!("/documents/{id}")).await.shows(200, "열 수 없는 문서입니다");
}

#[tokio::test]
async fn a_long_list_is_paged_and_pages_are_light() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    person(&city, "01077770011", true).await;
    let many: Vec<_> = (0..45).map(|i| document("01077770011", &format!("P-{i}"))).collect();
    city.accepted(&many).await;
    let link = newest_link(&server, "01077770011", &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    browser.get(&link).await;
    let style = browser.get("/style.css").await.html.len();
    let (mut address, mut seen) = ("/documents".to_owned(), Vec::new());
    loop {
        let page = browser.get(&address).await;
        assert!(page.html.len() + style < 60_000, "{} bytes", page.html.len() + style);
        assert!(!page.html.contains("<script"), "it works without a script, and has none");
        seen.extend(page.links("/documents/BIN-"));
        match page.links("before=").into_iter().next() {
            Some(next) => address = next,
            None => break,
        }
    }
    let different: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), different.len()), (45, 45));
}

#[tokio::test]
async fn wrong_addresses_and_numbers_get_a_page_that_helps() {
    let server = Start::sandbox().up();
    let mut browser = Browser::at(&server.url("web"));
    browser.get("/nowhere").await.shows(404, "찾으시는 페이지가 없습니다");
    browser.get("/%FF").await.shows(404, "찾으시는 페이지가 없습니다");
    browser.get("/documents/BIN-1").await.shows(200, "로그인 링크 받기");
    browser.post("/login", &[("phone_number", "12")]).await.shows(400, "숫자 10자리나 11자리");
    browser.post("/login", &[("other", "12")]).await.shows(400, "숫자 10자리나 11자리");
    browser.post("/join", &[("other", "12")]).await.shows(200, "로그인 링크 받기");
    browser.get("/l/AAAA").await.shows(410, "새 링크 받기");
}

#[tokio::test]
async fn a_number_is_sent_few_links_and_told_when_the_next_may_be() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    person(&city, "01077778888", true).await;
    for number in ["01077778888", "01000001111"] {
        let mut browser = Browser::at(&server.url("web"));
        for _ in 0..3 {
            assert_eq!(browser.post("/login", &[("phone_number", number)]).await.status, 200);
        }
        let refused = browser.post("/login", &[("phone_number", number)]).await;
        assert_eq!(refused.status, 429, "known or not: {}", refused.html);
        let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((500..=600).contains(&wait), "as long as the page says: {wait}");
        assert!(refused.html.contains(&format!("value=\"{number}\"")), "what was typed is kept");
        assert!(refused.html.contains("부터 다시 받으실 수 있으니"), "{}", refused.html);
    }
    city.advance(601).await;
    let mut browser = Browser::at(&server.url("web"));
    assert_eq!(browser.post("/login", &[("phone_number", "01077778888")]).await.status, 200);
}
