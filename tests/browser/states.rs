//! Every state of every page, on a phone and a desktop, light and dark, in both languages: no axe violations, no
//! overflow, and a screenshot. Forms are filled in with the keyboard only.

use crate::accessible::is_accessible;
use crate::driver::{DESK, Driver, Look, PHONE};
use crate::scene::{PIN, Scene};

/// Walks through a box by addresses and fields only, so that it works in both languages.
struct Walk {
    scene: Scene,
    driver: Driver,
    number: String,
    known: Vec<String>,
}

impl Walk {
    async fn go(&self, path: &str, state: &str) {
        let address = if path.starts_with("http") { path.to_owned() } else { self.scene.web(path) };
        self.driver.go(&address).await;
        is_accessible(&self.driver, state).await;
    }

    /// Types into the fields in order, submits the form in the last one, and waits for the selector `has`.
    async fn send(&self, fields: &[(&str, &str)], has: &str, state: &str) {
        for (i, (selector, text)) in fields.iter().enumerate() {
            self.driver.tab_to(selector).await;
            self.driver.type_keys(text).await;
            if i + 1 == fields.len() {
                self.driver.enter().await;
            }
        }
        self.driver.has(has).await;
        is_accessible(&self.driver, state).await;
    }

    async fn press(&self, selector: &str, has: &str, state: &str) {
        self.driver.tab_to(selector).await;
        self.driver.enter().await;
        self.driver.has(has).await;
        is_accessible(&self.driver, state).await;
    }

    async fn next_link(&mut self) -> String {
        let link = self.scene.next_link(&self.number, &self.known).await;
        self.known.push(link.clone());
        link
    }
}

async fn every_state(name: &str, look: Look, number: &str) {
    let scene = Scene::branded().await;
    scene.person(number, false).await;
    let bill = scene.send_bill(number).await;
    let driver = Driver::start(name, look).await;
    let mut walk = Walk { scene, driver, number: number.to_owned(), known: Vec::new() };
    signing_in(&walk).await;
    let link = walk.next_link().await;
    joining(&walk, &link, &bill).await;
    reading(&walk, &bill).await;
    opening(&walk, &bill).await;
    new_pin(&mut walk).await;
    settings(&walk).await;
    used_link(&walk, &link).await;
}

async fn signing_in(walk: &Walk) {
    walk.go("/", "front").await;
    walk.send(&[("#phone_number", "12")], ".wrong", "front-wrong-number").await;
    walk.go("/?ended=1", "front-session-ended").await;
    walk.go("/nowhere", "no-such-page").await;
    walk.go("/l/AAAA", "no-such-link").await;
    walk.go("/terms", "terms").await;
    walk.go("/messenger", "messenger").await;
    walk.go("/", "front-again").await;
    walk.send(&[("#phone_number", "01099990000")], "main .card p + p", "link-sent").await;
}

async fn joining(walk: &Walk, link: &str, bill: &str) {
    walk.go(link, "join").await;
    walk.send(&[("#pin", "123456"), ("#pin_again", "123456")], ".wrong", "join-wrong").await;
    walk.driver.tab_to("input[name=consent]").await;
    walk.driver.type_keys(" ").await;
    walk.send(&[("#pin", PIN), ("#pin_again", PIN)], ".notice", "document-after-joining").await;
    assert!(walk.driver.address().await.contains(bill), "to the document of the message");
}

async fn reading(walk: &Walk, bill: &str) {
    walk.go("/documents", "list").await;
    walk.go("/documents?sort=deadline&kind=bill", "list-arranged").await;
    walk.go("/documents?q=zzz", "list-nothing-found").await;
    walk.go("/documents?shelf=read", "list-empty").await;
    walk.go(&format!("/documents/{bill}"), "document").await;
    walk.go(&format!("/documents/{bill}/receipt"), "receipt").await;
    walk.go(&format!("/documents/{bill}/refuse"), "refuse").await;
    walk.press("main form button", ".notice form", "refused").await;
    walk.press(".notice button", ".notice", "received-again").await;
}

async fn opening(walk: &Walk, bill: &str) {
    let bank = walk.scene.send_under("certificate", &walk.number).await;
    walk.go(&format!("/documents/{bank}/open"), "certificate-to-set").await;
    let fields = [("#current", PIN), ("#password", "short"), ("#password_again", "short")];
    walk.send(&fields, ".wrong", "certificate-too-short").await;
    let free = walk.scene.send_under("none", &walk.number).await;
    walk.go(&format!("/documents/{free}"), "document-without-proof").await;
    walk.go(&format!("/documents/{bill}/open"), "pin").await;
    walk.send(&[("#secret", "12")], ".wrong", "pin-malformed").await;
    for _ in 0..4 {
        walk.send(&[("#secret", "000111")], ".wrong", "pin-wrong").await;
    }
    walk.send(&[("#secret", "000111")], ".wrong", "pin-locked").await;
}

async fn new_pin(walk: &mut Walk) {
    walk.go("/pin", "pin-forgotten").await;
    walk.press("main form button", "main .card p + p", "pin-link-sent").await;
    let link = walk.next_link().await;
    walk.go(&link, "new-pin").await;
    let typed = |birthday: &'static str| [("#birthday", birthday), ("#pin", PIN), ("#pin_again", PIN)];
    walk.send(&typed("19991231"), ".wrong", "new-pin-wrong-birthday").await;
    walk.driver.script("document.getElementById('birthday').value = ''", &[]).await;
    walk.send(&typed("19900101"), ".notice", "list-after-new-pin").await;
}

async fn settings(walk: &Walk) {
    walk.go("/settings", "settings").await;
    walk.send(
        &[("#current", "000111"), ("#pin", "975310"), ("#pin_again", "975310")],
        ".wrong",
        "settings-wrong-pin",
    )
    .await;
    walk.send(
        &[("#current", PIN), ("#pin", "975310"), ("#pin_again", "975310")],
        ".notice",
        "settings-pin-changed",
    )
    .await;
    walk.press("form[action=\"/signout/everywhere\"] button", "#phone_number", "front-signed-out").await;
}

async fn used_link(walk: &Walk, link: &str) {
    walk.go(link, "used-link").await;
    walk.press("main form button", "main .card p + p", "fresh-link-sent").await;
    // The number has reached its limit of links.
    for _ in 0..3 {
        walk.driver.go(link).await;
        walk.driver.tab_to("main form button").await;
        walk.driver.enter().await;
        walk.driver.has("main .card").await;
    }
    walk.driver.has(".notice.alert").await;
    is_accessible(&walk.driver, "no-more-links").await;
}

#[tokio::test]
async fn on_a_phone_in_korean() {
    every_state("states-phone-ko", PHONE, "01077773001").await;
}

#[tokio::test]
async fn on_a_phone_in_english() {
    every_state("states-phone-en", Look { english: true, ..PHONE }, "01077773002").await;
}

#[tokio::test]
async fn at_a_desk_in_korean() {
    every_state("states-desk-ko", DESK, "01077773003").await;
}

#[tokio::test]
async fn at_a_desk_in_english() {
    every_state("states-desk-en", Look { english: true, ..DESK }, "01077773004").await;
}
