//! Checks a page with axe, and checks that it fits the screen, also with text of twice the size.

use serde_json::json;

use crate::driver::Driver;

const AXE: &str = include_str!("axe/axe.min.js");

/// Takes screenshots of the current page, light and dark, and expects no axe violation in either.
pub(crate) async fn is_accessible(driver: &Driver, page: &str) {
    // The page must work without scripts, so it has none.
    let scripts = driver.script("return document.scripts.length", &[]).await;
    assert_eq!(scripts, 0, "{page} works without a script");
    driver.script(AXE, &[]).await;
    // Dark mode changes only colours, so only the contrast rule runs there.
    for (scheme, rules) in [("dark", "{ runOnly: ['color-contrast'] }"), ("light", "{}")] {
        driver.in_scheme(scheme).await;
        driver.keep(&format!("{page}-{scheme}")).await;
        let run = format!(
            "const done = arguments[arguments.length - 1]; axe.run(document, {rules}).then(
            found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))),
            error => done(['axe: ' + error]));"
        );
        let violations = driver.script_async(&run).await;
        assert_eq!(violations, json!([]), "{page}, {scheme}");
    }
    for size in ["200%", ""] {
        let wide = "document.documentElement.style.fontSize = arguments[0];
            return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(driver.script(wide, &[json!(size)]).await, false, "{page} fits the screen at {size}");
    }
}
