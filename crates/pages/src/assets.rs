//! The style sheet, the icon and the manifest.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::{Brand, Site};

const STYLE: &str = include_str!("style.css");
/// Long enough for a visit, short enough to pick up a new version.
const KEPT: &str = "public, max-age=3600";

fn asset(content_type: &'static str, body: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, KEPT)], body).into_response()
}

/// The one style sheet, in the brand's colour.
pub fn style(brand: &Brand) -> Response {
    let (day, night) = (brand.colour.css(), brand.colour.by_night().css());
    let colours = format!(
        ":root{{--accent:{day};--on-accent:#fff}}\
         @media screen and (prefers-color-scheme:dark){{:root{{--accent:{night};--on-accent:#10151c}}}}\n"
    );
    asset("text/css; charset=utf-8", format!("{STYLE}{colours}"))
}

/// The icon: the operator's picture, or an envelope in the brand's colour.
pub fn icon(brand: &Brand) -> Response {
    if let Some(logo) = &brand.logo {
        return asset("image/png", logo.clone());
    }
    let colour = brand.colour.css();
    asset(
        "image/svg+xml",
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><rect width=\"64\" height=\"64\" rx=\"14\" \
             fill=\"{colour}\"/><path d=\"M14 21h36v24H14z\" fill=\"none\" stroke=\"#fff\" stroke-width=\"4\" \
             stroke-linejoin=\"round\"/><path d=\"m15 23 17 13 17-13\" fill=\"none\" stroke=\"#fff\" stroke-width=\"4\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\"/></svg>"
        ),
    )
}

/// The web app manifest, for phones that add the pages to the home screen.
pub fn manifest(site: &Site) -> Response {
    let icon_type = if site.brand.logo.is_some() { "image/png" } else { "image/svg+xml" };
    let manifest = json!({
        "name": site.name(),
        "short_name": site.name(),
        "start_url": "/",
        "display": "standalone",
        "theme_color": site.brand.colour.css(),
        "background_color": "#f5f6f8",
        "icons": [{ "src": "/icon", "type": icon_type, "sizes": "any" }],
    });
    let mut response = asset("application/manifest+json", manifest.to_string());
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-language"));
    response
}
