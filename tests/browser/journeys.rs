//! Complete journeys of people, from the message on the phone to the institution's page.

use crate::driver::{DESK, Driver, ENTER, Look, PHONE, TAB};
use crate::scene::{PIN, Scene};

async fn the_whole_loop(name: &str, look: Look, number: &str) {
    let scene = Scene::set().await;
    scene.person(number, true).await;
    let id = scene.send(number).await;
    scene.link(number).await;
    let driver = Driver::start(name, look).await;
    // The phone displays the message.
    driver.go(&scene.web(&format!("/messenger?number={number}"))).await;
    driver.keep("messenger").await;
    driver.tap("링크 열기").await;
    driver.shows("2026년 자동차세 고지서").await;
    driver.keep("document").await;
    driver.tap("문서확인후 납부").await;
    driver.shows("PIN").await;
    driver.keep("pin").await;
    driver.type_into("#secret", PIN).await;
    driver.enter().await;
    driver.shows("자동차세 고지서 본문 (amount=120000)").await;
    driver.keep("institution").await;
    let status = scene.city.until(&id, "READ").await;
    assert!(status["authenticated_at"].is_i64() && status["token_used_at"].is_i64());
}

#[tokio::test]
async fn a_member_reads_on_a_phone() {
    the_whole_loop("phone", PHONE, "01077771001").await;
}

#[tokio::test]
async fn a_member_reads_at_a_desk() {
    the_whole_loop("desk", DESK, "01077771002").await;
}

#[tokio::test]
async fn a_member_reads_without_javascript() {
    let scene = Scene::set().await;
    let number = "01077771003";
    scene.person(number, true).await;
    let id = scene.send(number).await;
    let driver = Driver::start("no-script", Look { javascript: false, ..PHONE }).await;
    // Only keys and addresses: the driver's own clicks use scripts.
    driver.go(&scene.link(number).await).await;
    driver.keep("document").await;
    driver.go(&scene.web(&format!("/documents/{id}/open"))).await;
    driver.type_keys(&format!("{PIN}{ENTER}")).await;
    scene.city.until(&id, "READ").await;
    driver.keep("institution").await;
}

#[tokio::test]
async fn who_is_no_member_joins_and_reads() {
    let scene = Scene::set().await;
    let number = "01077771004";
    scene.person(number, false).await;
    let id = scene.send(number).await;
    let driver = Driver::start("joins", PHONE).await;
    driver.go(&scene.link(number).await).await;
    driver.shows("가입하고 문서를 받아 보십시오").await;
    driver.keep("join").await;
    driver.click("input[name=consent]").await;
    driver.type_into("#pin", "246813").await;
    driver.type_into("#pin_again", "246813").await;
    driver.tap("가입하기").await;
    driver.shows("가입이 끝났습니다").await;
    driver.keep("joined").await;
    driver.tap("문서").await;
    driver.shows("내 문서").await;
    driver.keep("list").await;
    driver.tap("2026년 자동차세 고지서").await;
    driver.tap("문서확인후 납부").await;
    driver.type_into("#secret", "246813").await;
    driver.enter().await;
    driver.shows("고지서 본문").await;
    scene.city.until(&id, "READ").await;
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    let scene = Scene::set().await;
    let driver = Driver::start("keyboard", DESK).await;
    let id = scene.tapped(&driver, "01077771005").await;
    // Skip link, brand, two menu entries, sign-out, customer service, and the button.
    let focused = "return document.activeElement.textContent";
    for _ in 0..10 {
        driver.type_keys(TAB).await;
        if driver.script(focused, &[]).await.as_str().unwrap().contains("문서확인후 납부") {
            break;
        }
    }
    driver.enter().await;
    driver.shows("PIN (숫자 6자리)").await;
    let focused = driver.script("return document.activeElement.id", &[]).await;
    assert_eq!(focused, "secret", "the field has the focus");
    driver.type_keys(PIN).await;
    driver.enter().await;
    driver.shows("고지서 본문").await;
    scene.city.until(&id, "READ").await;
}

#[tokio::test]
async fn wrong_pins_lock_and_say_so() {
    let scene = Scene::set().await;
    let driver = Driver::start("locked", PHONE).await;
    let id = scene.tapped(&driver, "01077771006").await;
    driver.go(&scene.web(&format!("/documents/{id}/open"))).await;
    for left in (1..5).rev() {
        // The same page, with the focus in the field.
        driver.type_into("#secret", "000111").await;
        driver.enter().await;
        driver.shows(&format!("{left}번 더")).await;
    }
    driver.keep("wrong").await;
    driver.type_into("#secret", "000111").await;
    driver.enter().await;
    driver.shows("5번 잘못 입력하여 잠겼습니다").await;
    driver.keep("locked").await;
    driver.go(&scene.web(&format!("/documents/{id}/open"))).await;
    driver.type_into("#secret", PIN).await;
    driver.enter().await;
    driver.shows("5번 잘못 입력하여 잠겼습니다").await;
}

#[tokio::test]
async fn back_again_reloaded_and_pasted_elsewhere() {
    let scene = Scene::set().await;
    let driver = Driver::start("again", PHONE).await;
    let number = "01077771007";
    let id = scene.tapped(&driver, number).await;
    let open = async || {
        driver.go(&scene.web(&format!("/documents/{id}/open"))).await;
        driver.type_into("#secret", PIN).await;
        driver.enter().await;
        driver.shows("고지서 본문").await;
        driver.address().await
    };
    let first = open().await;
    // The used token's address, reloaded, and pasted into another browser.
    driver.reload().await;
    driver.shows("이미 사용된 링크").await;
    let elsewhere = Driver::start("elsewhere", DESK).await;
    elsewhere.go(&first).await;
    elsewhere.shows("이미 사용된 링크").await;
    elsewhere.go(&scene.link(number).await).await;
    elsewhere.shows("새 링크가 필요합니다").await;
    elsewhere.keep("used-link").await;
    elsewhere.go(&scene.web(&format!("/documents/{id}"))).await;
    elsewhere.shows("로그인 링크 받기").await;
    elsewhere.keep("front").await;
    // Go back and open the document a second time.
    driver.back().await;
    driver.shows("PIN").await;
    let second = open().await;
    assert_ne!(first, second);
    let read_at = scene.city.status(&id).await["doc_box_read_at"].clone();
    assert!(read_at.is_i64());
}

#[tokio::test]
async fn expired_refused_and_received_again() {
    let scene = Scene::set().await;
    let driver = Driver::start("refused", PHONE).await;
    let number = "01077771008";
    let id = scene.tapped(&driver, number).await;
    driver.tap("이 기관의 문서 수신거부").await;
    driver.shows("문서를 받지 않으시겠습니까?").await;
    driver.keep("refusing").await;
    driver.tap("수신거부").await;
    driver.shows("받지 않고 있습니다").await;
    driver.keep("refused").await;
    let refused = scene.city.send(&[scene.document(number, "R")]).await.remove(0);
    assert_eq!(refused["error_code"], "FORBIDDEN");
    driver.tap("설정").await;
    driver.shows("가상시청").await;
    driver.keep("settings").await;
    driver.tap("다시 받기").await;
    driver.shows("문서 화면에서 수신거부하실 수 있습니다").await;
    scene.send(number).await;
    scene.city.advance(2_592_000).await;
    // The clock was advanced by a month, so the session has expired.
    driver.go(&scene.web("/")).await;
    driver.type_into("#phone_number", number).await;
    driver.tap("로그인 링크 받기").await;
    driver.shows("메시지를 확인해").await;
    driver.keep("asked").await;
    crate::harness::eventually("the link to sign in by has come", async || {
        driver.go(&scene.web(&format!("/messenger?number={number}"))).await;
        driver.text().await.contains("로그인 링크입니다").then_some(())
    })
    .await;
    driver.tap("링크 열기").await;
    driver.shows("새로 온 문서가 없습니다").await;
    driver.tap("지난 문서").await;
    driver.shows("2026년 자동차세 고지서").await;
    driver.keep("expired-list").await;
    driver.go(&scene.web(&format!("/documents/{id}"))).await;
    driver.shows("열 수 없는 문서입니다").await;
    driver.keep("expired").await;
}
