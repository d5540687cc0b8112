//! axum's extractors, with rejections in the common error envelope (SPEC 3) instead of plain text.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use seoham_model::Text;
use serde::de::DeserializeOwned;

use crate::ApiError;

/// Path parameters. A segment that does not parse matches no resource: 404.
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) if rejection.status().is_client_error() => Err(ApiError::unknown_path()),
            Err(_) => {
                tracing::error!("a route's path has not what its endpoint takes from it");
                Err(ApiError::internal())
            }
        }
    }
}

/// Query parameters. A query that does not parse gives 400.
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::invalid(Text::fixed(
                "주소의 질의 문자열(?이하)을 읽을 수 없습니다",
                "the query of the address cannot be read",
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;
    use serde::Deserialize;
    use tower::ServiceExt;

    use super::*;

    #[derive(Deserialize)]
    struct After {
        after: Option<String>,
    }

    async fn answered(uri: &str) -> (StatusCode, bool) {
        let echo = async |Path(binder): Path<String>, Query(query): Query<After>| {
            format!("{binder}{}", query.after.unwrap_or_default())
        };
        let router: Router = Router::new().route("/documents/{binder}", get(echo));
        let request = Request::builder().uri(uri).body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        (response.status(), response.extensions().get::<ApiError>().is_some())
    }

    #[tokio::test]
    async fn refusals_come_in_the_envelope() {
        assert_eq!(answered("/documents/BIN-1?after=x").await, (StatusCode::OK, false));
        assert_eq!(answered("/documents/%FF").await, (StatusCode::NOT_FOUND, true));
        assert_eq!(answered("/documents/BIN-1?after=x&after=y").await, (StatusCode::BAD_REQUEST, true));
    }
}
