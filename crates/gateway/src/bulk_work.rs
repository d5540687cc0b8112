//! Where bulk requests are worked on: on other threads than those that take them in, so that one which is
//! refused is told so at once, however busy those are.

use seoham_http::ApiError;
use tokio::runtime::Handle;
use tracing::Instrument;

/// The threads for the work of bulk requests.
#[derive(Clone)]
pub(crate) struct BulkWork {
    threads: Handle,
}

impl BulkWork {
    /// On the runtime `threads`.
    pub(crate) fn on(threads: Handle) -> Self {
        Self { threads }
    }

    /// Does the work of one request that has leave. Once begun it goes on to its end, also when its client
    /// has gone away meanwhile.
    pub(crate) async fn of<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        // Within the request's span: what is logged of it carries its id.
        match self.threads.spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends: nobody can say how far it came.
                Err(_) => Err(ApiError::internal()),
            },
        }
    }
}
