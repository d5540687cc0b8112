//! A person who forgot the PIN, used up a link or whose session ended can find the way back (SPEC 8.8 and 8.9).

use reqwest::Method;
use serde_json::json;

use crate::harness::{Browser, Server, Start, document, eventually, http};
use crate::inbox::{PIN, newest_link, person, signed_in};

/// The next link to a number that is not in `known`.
async fn next_link(server: &Server, number: &str, known: &mut Vec<String>) -> String {
    let link = newest_link(server, number, known).await;
    known.push(link.clone());
    link
}

fn path(link: &str) -> String {
    reqwest::Url::parse(link).unwrap().path().to_owned()
}

async fn opens_with(browser: &mut Browser, id: &str, pin: &str) -> u16 {
    let open = format!("/documents/{id}/open");
    let page = browser.get(&open).await;
    browser.submit(&page, &open, &[("secret", pin)]).await.status
}

#[tokio::test]
async fn who_forgot_the_pin_sets_a_new_one_by_link_and_birthday() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775001";
    let (mut browser, _, id) = signed_in(&server, &city, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    let open = format!("/documents/{id}/open");
    // The page that asks links there, as do the one after a wrong PIN and the locked one.
    let page = browser.get(&open).await;
    assert_eq!(page.links("/pin"), ["/pin"]);
    for _ in 0..5 {
        let said = browser.submit(&page, &open, &[("secret", "000111")]).await;
        assert_eq!(said.links("/pin"), ["/pin"], "{}", said.html);
    }
    browser.submit(&page, &open, &[("secret", PIN)]).await.shows(403, "잠겼습니다");
    let mut elsewhere = browser.clone();

    let ask = browser.get("/pin").await;
    browser.submit(&ask, "/pin", &[]).await.shows(200, "등록하신 휴대전화로 링크를 보냈습니다");
    let link = next_link(&server, number, &mut known).await;
    // Neither a preview nor viewing the form uses up the link.
    http().get(&link).send().await.unwrap();
    let mut phone = Browser::at(&server.url("web"));
    let form = phone.get(&link).await;
    form.shows(200, "생년월일");
    let renew = format!("{}/pin", path(&link));
    let new = |birthday: &'static str, pin: &'static str| {
        [("birthday", birthday), ("pin", pin), ("pin_again", pin)]
    };
    for (birthday, pin, says) in [
        ("19900101", "123456", "이어지는 숫자로는"),
        ("", "975310", "숫자 8자리"),
        ("19901301", "975310", "숫자 8자리"),
    ] {
        phone.submit(&form, &renew, &new(birthday, pin)).await.shows(400, says);
    }
    let said = phone.submit(&form, &renew, &new("19900102", "975310")).await;
    said.shows(403, "등록된 생년월일과 다릅니다. 4번 더");
    said.shows(403, "value=\"19900102\"");
    assert!(!said.html.contains("975310"), "a secret is not shown again");
    let done = phone.submit(&form, &renew, &new("1990-01-01", "975310")).await;
    done.shows(200, "새 PIN을 정했습니다");
    assert!(phone.cookie().is_some(), "and they are in");
    elsewhere.get("/documents").await.shows(200, "로그아웃되었습니다. 다시 로그인하시면");
    assert_eq!(opens_with(&mut phone, &id, PIN).await, 403);
    assert_eq!(opens_with(&mut phone, &id, "975310").await, 303, "the lock is lifted");
    eventually("they are told by messenger", async || {
        let messages = browser.get(&format!("/messenger?number={number}")).await;
        messages.html.contains("PIN이 바뀌었습니다").then_some(())
    })
    .await;
    phone.post(&renew, &new("19900101", "864209")).await.shows(410, "더는 쓸 수 없는 링크입니다");
    assert_eq!(opens_with(&mut phone, &id, "864209").await, 403, "once");
}

#[tokio::test]
async fn wrong_birthdays_lock_like_wrong_pins() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775002";
    let (mut browser, _, id) = signed_in(&server, &city, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    let ask = browser.get("/pin").await;
    browser.submit(&ask, "/pin", &[]).await.shows(200, "보냈습니다");
    let link = next_link(&server, number, &mut known).await;
    let form = browser.get(&link).await;
    let renew = format!("{}/pin", path(&link));
    let new = |birthday: &'static str| [("birthday", birthday), ("pin", "975310"), ("pin_again", "975310")];
    for left in (1..5).rev() {
        let said = browser.submit(&form, &renew, &new("19900102")).await;
        said.shows(403, &format!("{left}번 더"));
    }
    browser.submit(&form, &renew, &new("19900102")).await.shows(403, "잠겼습니다");
    browser.submit(&form, &renew, &new("19900101")).await.shows(403, "잠겼습니다");
    assert_eq!(opens_with(&mut browser, &id, PIN).await, 303, "the PIN is not locked by it");
    // An operator lifts the lock.
    let (status, _) = server.admin("POST", "people/unlock", Some(json!({ "phone_number": number }))).await;
    assert_eq!(status, 204);
    browser.submit(&form, &renew, &new("19900101")).await.shows(200, "새 PIN을 정했습니다");
}

#[tokio::test]
async fn an_operator_forces_a_new_pin_without_choosing_it() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775003";
    let (mut browser, _, id) = signed_in(&server, &city, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    let force = async |number: &str| {
        server.admin("POST", "people/new-pin", Some(json!({ "phone_number": number }))).await.0
    };
    assert_eq!((force(number).await, force("01099990000").await), (204, 404));
    browser.get("/documents").await.shows(200, "로그아웃되었습니다. 다시 로그인하시면");
    browser.post("/login", &[("phone_number", number)]).await;
    browser.get(&next_link(&server, number, &mut known).await).await.shows(200, "내 문서");
    let page = browser.get(&format!("/documents/{id}/open")).await;
    page.shows(200, "PIN을 먼저 만들어 주십시오");
    assert!(page.links("/pin").contains(&"/pin".to_owned()));
    let ask = browser.get("/pin").await;
    browser.submit(&ask, "/pin", &[]).await;
    let link = next_link(&server, number, &mut known).await;
    let form = browser.get(&link).await;
    let new = [("birthday", "19900101"), ("pin", "975310"), ("pin_again", "975310")];
    browser.submit(&form, &format!("{}/pin", path(&link)), &new).await.shows(200, "새 PIN을 정했습니다");
    assert_eq!(opens_with(&mut browser, &id, "975310").await, 303);
}

#[tokio::test]
async fn a_used_link_offers_a_fresh_one_to_the_same_document() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775004";
    let (_, _, id) = signed_in(&server, &city, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    let used = known[0].clone();
    let mut phone = Browser::at(&server.url("web"));
    let offered = phone.get(&used).await;
    offered.shows(200, "새 링크 받기");
    assert!(phone.cookie().is_none(), "nobody is signed in by it");
    let again = format!("{}/again", path(&used));
    phone.submit(&offered, &again, &[]).await.shows(200, "등록하신 휴대전화로 링크를 보냈습니다");
    let fresh = next_link(&server, number, &mut known).await;
    let page = phone.request(Method::GET, &fresh, &[]).await;
    assert_eq!(page.location.as_deref(), Some(format!("/documents/{id}").as_str()));
    phone.get(&format!("/documents/{id}")).await.shows(200, "자동차세");
    // Within the number's rate limit; beyond it, the page says when to try again.
    for _ in 0..2 {
        phone.submit(&offered, &again, &[]).await.shows(200, "보냈습니다");
    }
    let refused = phone.submit(&offered, &again, &[]).await;
    refused.shows(429, "부터 다시 받으실 수 있으니");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn an_old_link_leads_to_its_document_until_the_deadline() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775005";
    person(&city, number, true).await;
    let mut long = document(number, "L");
    long["read_expired_sec"] = json!(20 * 86_400);
    let id = city.accepted(&[long]).await.remove(0);
    let mut known = Vec::new();
    let old = next_link(&server, number, &mut known).await;
    city.advance(10 * 86_400).await;
    let mut phone = Browser::at(&server.url("web"));
    let offered = phone.get(&old).await;
    offered.shows(200, "새 링크 받기");
    phone.submit(&offered, &format!("{}/again", path(&old)), &[]).await.shows(200, "보냈습니다");
    let fresh = next_link(&server, number, &mut known).await;
    phone.get(&fresh).await.shows(200, "자동차세");
    assert_eq!(opens_with(&mut phone, &id, PIN).await, 303);
    city.advance(10 * 86_400).await;
    Browser::at(&server.url("web")).get(&old).await.shows(410, "더는 쓸 수 없는 링크입니다");
}

#[tokio::test]
async fn an_ended_session_says_so_and_returns_to_where_it_was() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775006";
    let (mut browser, _, id) = signed_in(&server, &city, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    city.advance(3_601).await;
    let front = browser.get(&format!("/documents/{id}/open")).await;
    front.shows(200, "로그아웃되었습니다. 다시 로그인하시면");
    browser.submit(&front, "/login", &[("phone_number", number)]).await.shows(200, "메시지를 확인해");
    let link = next_link(&server, number, &mut known).await;
    let back = browser.request(Method::GET, &link, &[]).await;
    assert_eq!(back.location.as_deref(), Some(format!("/documents/{id}").as_str()));
    // The person returns to the settings as well.
    city.advance(3_601).await;
    let front = browser.get("/settings").await;
    browser.submit(&front, "/login", &[("phone_number", number)]).await.shows(200, "메시지를 확인해");
    let link = next_link(&server, number, &mut known).await;
    // Also for a client that sends no fetch metadata and so gets a button.
    let button = http().get(&link).send().await.unwrap().text().await.unwrap();
    assert!(button.contains("본인이 여셨습니까") && button.contains("?to=settings"), "{button}");
    let back = browser.request(Method::GET, &link, &[]).await;
    assert_eq!(back.location.as_deref(), Some("/settings"));
    // A person who was never signed in is not told about an ended session.
    let mut stranger = Browser::at(&server.url("web"));
    let front = stranger.get("/documents").await;
    assert!(!front.html.contains("로그아웃되었습니다") && front.status == 200);
    let elsewhere = stranger.get("/?document=https%3A%2F%2Fevil.example").await;
    assert!(!elsewhere.html.contains("evil"), "{}", elsewhere.html);
}

/// A person who joins from a document's message is led to that document.
#[tokio::test]
async fn joining_leads_to_the_document_of_the_message() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775007";
    person(&city, number, false).await;
    let id = city.accepted(&[document(number, "A")]).await.remove(0);
    let link = newest_link(&server, number, &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    let page = browser.get(&link).await;
    page.shows(200, "가입하고 문서를");
    // A mistake does not restart the form: the consent stays, the secrets do not.
    let wrong = [("consent", "yes"), ("pin", "246813"), ("pin_again", "246814")];
    let said = browser.submit(&page, "/join", &wrong).await;
    said.shows(400, "위에 입력하신 PIN과 다릅니다");
    said.shows(400, "checked");
    assert!(!said.html.contains("246813"));
    let right = [("consent", "yes"), ("pin", "246813"), ("pin_again", "246813")];
    let joined = browser.submit(&said, "/join", &right).await;
    joined.shows(200, "가입이 끝났습니다");
    joined.shows(200, "자동차세");
    assert!(!joined.links(&format!("/documents/{id}/open")).is_empty());
}

async fn import(server: &Server, line: serde_json::Value) -> serde_json::Value {
    server.admin("POST", "people", Some(line)).await.1
}

#[tokio::test]
async fn nobody_chooses_a_pin_for_another_on_a_live_server() {
    let server = Start::live().up();
    let line = json!({
        "phone_number": "01077775008", "name": "김가상", "birthday": "19900101", "member": true, "pin": PIN,
    });
    let report = import(&server, line.clone()).await;
    assert_eq!((&report["imported"], &report["rejected"][0]["line"]), (&json!(0), &json!(1)), "{report}");
    assert!(report["rejected"][0]["error_message"].as_str().unwrap().contains("pin"), "{report}");
    let mut without = line;
    without.as_object_mut().unwrap().remove("pin");
    assert_eq!(import(&server, without).await["imported"], json!(1));
}

/// A person who briefly had the phone keeps no access once its owner has set a new PIN.
#[tokio::test]
async fn a_new_pin_voids_every_link_that_was_asked_for() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775009";
    let (mut browser, _, _) = signed_in(&server, &city, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    browser.post("/login", &[("phone_number", number)]).await;
    let sign_in = next_link(&server, number, &mut known).await;
    let ask = browser.get("/pin").await;
    browser.submit(&ask, "/pin", &[]).await;
    let first = next_link(&server, number, &mut known).await;
    browser.submit(&ask, "/pin", &[]).await;
    let second = next_link(&server, number, &mut known).await;
    let new = [("birthday", "19900101"), ("pin", "975310"), ("pin_again", "975310")];
    let mut owner = Browser::at(&server.url("web"));
    owner.post(&format!("{}/pin", path(&first)), &new).await.shows(200, "새 PIN을 정했습니다");
    let mut thief = Browser::at(&server.url("web"));
    for link in [sign_in, second] {
        thief.get(&link).await.shows(410, "더는 쓸 수 없는 링크입니다");
        assert!(thief.cookie().is_none());
    }
}

#[tokio::test]
async fn who_has_no_pin_is_led_to_one_by_a_certified_document_too() {
    let server = Start::sandbox().up();
    let bank = server.institution_with("가상은행", json!({ "authentication": "certificate" })).await;
    let number = "01077775010";
    let (mut browser, _, id) = signed_in(&server, &bank, number).await;
    let mut known = vec![newest_link(&server, number, &[]).await];
    server.admin("POST", "people/new-pin", Some(json!({ "phone_number": number }))).await;
    browser.post("/login", &[("phone_number", number)]).await;
    browser.get(&next_link(&server, number, &mut known).await).await.shows(200, "내 문서");
    let page = browser.get(&format!("/documents/{id}/open")).await;
    page.shows(200, "PIN을 먼저 만들어 주십시오");
    // The operator's log records the person's id, and not the phone number.
    let log = std::fs::read_to_string(server.data().join("actions.log")).unwrap();
    assert!(log.contains("people/new-pin") && log.contains("\"on\":[\"") && !log.contains(number), "{log}");
}

/// A request from another site, even a sibling of the box, is not the person's own tap: it uses up nothing.
#[tokio::test]
async fn nobody_is_signed_in_by_another_site() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let number = "01077775011";
    person(&city, number, true).await;
    city.accepted(&[document(number, "A")]).await;
    let link = newest_link(&server, number, &[]).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-purpose", "prefetch"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ] {
        let request = http().get(&link).header("sec-fetch-mode", "navigate");
        let answer = request.header("sec-fetch-dest", "document").header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}: {value}");
        assert!(answer.headers().get("set-cookie").is_none(), "{name}: {value}");
    }
    Browser::at(&server.url("web")).get(&link).await.shows(200, "자동차세");
}
