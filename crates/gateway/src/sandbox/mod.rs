//! The sandbox (SPEC 12): routed only where all people are fictitious.

mod clock;
mod documents;
mod people;
pub(crate) mod troubles;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Gateway;

/// The sandbox's calls and their description.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(documents::open))
        .routes(routes!(documents::notified))
        .routes(routes!(people::add))
        .routes(routes!(people::join))
        .routes(routes!(people::refuse))
        .routes(routes!(people::accept))
        .routes(routes!(clock::advance))
}
