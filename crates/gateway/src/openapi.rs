//! The OpenAPI document, generated from the routes, and the page to browse it.

use axum::Router;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_swagger_ui::SwaggerUi;

/// The document, as it is served and as it is committed.
pub fn openapi() -> OpenApi {
    crate::described().split_for_parts().1
}

/// What the document says before its paths.
pub(crate) fn head() -> OpenApi {
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Seoham (서함)")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Electronic documents in bulk, provably read. Times are Unix seconds; errors are \
             {\"error_code\", \"error_message\"}, in Korean unless Accept-Language prefers English.",
        ))
        .license(Some(license))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An institution's access token: 32 lower-case hex digits"))
        .build();
    let components =
        ComponentsBuilder::new().security_scheme("access_token", SecurityScheme::Http(bearer)).build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// `/openapi.json` and `/docs`.
pub(crate) fn pages(openapi: OpenApi) -> Router {
    SwaggerUi::new("/docs").url("/openapi.json", openapi).into()
}
