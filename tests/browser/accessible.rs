//! What axe finds on a page, and whether it fits the screen, also with text of twice the size.

use serde_json::json;

use crate::driver::Driver;

const AXE: &str = include_str!("axe/axe.min.js");

/// Keeps a picture of the page that is shown, and finds nothing to complain about.
pub(crate) async fn is_accessible(driver: &Driver, page: &str) {
    driver.keep(page).await;
    driver.script(AXE, json!([])).await;
    let run = "const done = arguments[arguments.length - 1]; axe.run(document).then(
        found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))),
        error => done(['axe: ' + error]));";
    let violations = driver.script_async(run).await;
    assert_eq!(violations, json!([]), "{page}");
    for size in ["100%", "200%"] {
        let wide = "document.documentElement.style.fontSize = arguments[0];
            return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(driver.script(wide, json!([size])).await, false, "{page} fits the screen at {size}");
    }
    driver.script("document.documentElement.style.fontSize = ''", json!([])).await;
}
