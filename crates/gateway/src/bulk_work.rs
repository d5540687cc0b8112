//! A separate thread pool for bulk request processing. The listener threads stay free, so that they can
//! reject a request immediately under load.

use seoham_http::ApiError;
use tokio::runtime::Handle;
use tracing::Instrument;

/// The threads for the work of bulk requests.
#[derive(Clone)]
pub(crate) struct BulkWork {
    threads: Handle,
}

impl BulkWork {
    /// Uses the runtime `threads`.
    pub(crate) fn on(threads: Handle) -> Self {
        Self { threads }
    }

    /// Runs the work of one admitted request to completion, even if the client disconnects.
    pub(crate) async fn of<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        // Runs in the request's span, so that log lines carry its id.
        match self.threads.spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down: the outcome is unknown.
                Err(_) => Err(ApiError::internal()),
            },
        }
    }
}
