//! axe finds nothing to complain about on any page, light or dark, on a phone or at a desk.

use crate::driver::{DESK, Driver, Look, PHONE};
use crate::scene::{PIN, Scene};

const AXE: &str = include_str!("axe/axe.min.js");

async fn is_accessible(driver: &Driver, page: &str) {
    driver.script(AXE, serde_json::json!([])).await;
    let run = "const done = arguments[arguments.length - 1]; axe.run(document).then(
        found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))),
        error => done(['axe: ' + error]));";
    let violations = driver.script_async(run).await;
    assert_eq!(violations, serde_json::json!([]), "{page}");
    let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(driver.script(wide, serde_json::json!([])).await, false, "{page} fits the screen");
}

async fn every_page(name: &str, look: Look, number: &str) {
    let scene = Scene::set().await;
    let driver = Driver::start(name, look).await;
    let stranger = format!("{}9", &number[..10]);
    scene.person(&stranger, false).await;
    scene.send(&stranger).await;
    let to_join = scene.link(&stranger).await;
    for (address, page) in [
        (scene.web("/"), "front"),
        (scene.web("/nowhere"), "no such page"),
        (scene.web("/l/AAAA"), "used link"),
        (scene.web("/messenger"), "messenger"),
        (to_join, "join"),
    ] {
        driver.go(&address).await;
        is_accessible(&driver, page).await;
    }
    let id = scene.tapped(&driver, number).await;
    is_accessible(&driver, "document").await;
    for path in ["/documents", "/documents?shelf=read", "/settings", &format!("/documents/{id}/open")] {
        driver.go(&scene.web(path)).await;
        is_accessible(&driver, path).await;
        driver.keep(path.rsplit('/').next().unwrap().split('?').next().unwrap()).await;
    }
    driver.type_into("#secret", &format!("{}\u{e007}", PIN.replace('1', "2"))).await;
    driver.shows("번 더").await;
    is_accessible(&driver, "wrong PIN").await;
}

#[tokio::test]
async fn on_a_phone() {
    every_page("axe-phone", PHONE, "01077772001").await;
}

#[tokio::test]
async fn at_a_desk_in_the_dark() {
    every_page("axe-dark", Look { dark: true, ..DESK }, "01077772002").await;
}
