//! Bodies that are read under admission control, and answers that hold their request's place in it.

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

/// The body of a request that has leave, read only once it has.
pub(crate) struct AdmittedBody {
    pub(crate) bytes: Bytes,
    leave: Admitted,
}

impl AdmittedBody {
    /// `answer` with the leave of its request, which is given back once the client has taken the answer: one
    /// that does not read keeps what is its own from itself, and fills nobody's memory.
    pub(crate) fn answered_by(self, answer: Response) -> Response {
        let Self { bytes, leave } = self;
        drop(bytes);
        answer.map(|body| Body::new(HeldBody { body, _leave: leave }))
    }
}

/// The body of an answer, which holds its request's leave.
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

/// The body of a small call, which counts with the others of its institution. Such calls have room of their own:
/// a flood of sends keeps no read from being reported.
pub(crate) async fn small(
    room: &Arc<Admission>,
    institution: InstitutionId,
    request: Request,
) -> Result<Bytes, ApiError> {
    let (parts, stream) = request.into_parts();
    admit_within(room, body::SMALL_BODY_MAX, institution, &parts.headers, stream).await.map(|body| body.bytes)
}

/// Reads the JSON body of a request of `institution`, as long as there is room for it.
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
