//! Request bodies read under admission control, and response bodies that hold the request's admission.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use seoham_http::{ApiError, body};
use seoham_model::InstitutionId;

use super::{Admission, Admitted};

/// The body of an admitted request, read only after admission.
pub(crate) struct AdmittedBody {
    pub(crate) bytes: Bytes,
    leave: Admitted,
}

impl AdmittedBody {
    /// `answer`, holding the request's admission until the client has read it. A client that does not read
    /// its response uses up its own quota, and cannot fill the memory.
    pub(crate) fn answered_by(self, answer: Response) -> Response {
        let Self { bytes, leave } = self;
        drop(bytes);
        answer.map(|body| Body::new(HeldBody { body, _leave: leave }))
    }
}

/// A response body that holds its request's admission.
struct HeldBody {
    body: Body,
    _leave: Admitted,
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads the body of a small call, counted per institution. Small calls have a separate quota, so that a
/// flood of sends does not block read reports.
pub(crate) async fn small(
    room: &Arc<Admission>,
    institution: InstitutionId,
    request: Request,
) -> Result<Bytes, ApiError> {
    let (parts, stream) = request.into_parts();
    admit_small(room, institution, &parts.headers, stream).await.map(|body| body.bytes)
}

/// Reads the body of a small call that stays admitted for as long as it is kept.
pub(crate) async fn admit_small(
    room: &Arc<Admission>,
    institution: InstitutionId,
    headers: &HeaderMap,
    stream: Body,
) -> Result<AdmittedBody, ApiError> {
    admit_within(room, body::SMALL_BODY_MAX, institution, headers, stream).await
}

/// Reads the JSON body of a request of `institution`, as far as admission allows.
pub(crate) async fn admit_body(
    room: &Arc<Admission>,
    institution: InstitutionId,
    headers: &HeaderMap,
    stream: Body,
) -> Result<AdmittedBody, ApiError> {
    admit_within(room, body::BODY_MAX, institution, headers, stream).await
}

async fn admit_within(
    room: &Arc<Admission>,
    bytes_max: usize,
    institution: InstitutionId,
    headers: &HeaderMap,
    stream: Body,
) -> Result<AdmittedBody, ApiError> {
    body::require_json(headers)?;
    let mut leave = room.admit(institution, body::declared_bytes(headers, bytes_max))?;
    let bytes = body::read_granted(headers, stream, bytes_max, |length| leave.grow(length)).await?;
    Ok(AdmittedBody { bytes: body::without_mark(bytes), leave })
}
