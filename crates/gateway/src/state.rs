//! What every endpoint shares.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::SecretString;
use seoham_http::ApiError;
use seoham_model::document::{CheckContext, ReadItem, Receiver};
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::{GatewayStore, Lane, Mode};
use tokio::runtime::Handle;

use crate::admission::{Admission, AdmissionLimits};
use crate::bulk_work::BulkWork;
use crate::receipts::Receipts;
use crate::sandbox::troubles::{Trouble, Troubles};
use crate::token_uses::TokenUses;

/// How the gateway works.
pub struct GatewayOptions {
    /// Bounds on what is under way at once.
    pub admission: AdmissionLimits,
    /// The messenger provider's signing secret, when there is one; without it no reports are
    /// taken over HTTP.
    pub receipt_secret: Option<SecretString>,
    /// The threads that bulk requests are worked on: others than those that take them in.
    pub bulk_threads: Handle,
}

/// The gateway. Clones share everything.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) store: Arc<dyn GatewayStore>,
    pub(crate) admission: Arc<Admission>,
    /// Of calls that carry one thing.
    pub(crate) small_calls: Arc<Admission>,
    pub(crate) bulk_work: BulkWork,
    pub(crate) receipts: Option<Arc<Receipts>>,
    pub(crate) token_uses: TokenUses,
    /// What goes wrong on purpose; nothing outside a sandbox.
    pub(crate) troubles: Option<Troubles>,
    /// The lane of its listener: bulk requests are authenticated among themselves.
    pub(crate) lane: Lane,
}

impl Gateway {
    /// A gateway over `store`; `None` when the receipt secret cannot be used.
    pub fn new(store: Arc<dyn GatewayStore>, options: GatewayOptions) -> Option<Self> {
        let receipts = match options.receipt_secret {
            Some(secret) => Some(Arc::new(Receipts::new(&secret)?)),
            None => None,
        };
        let troubles = (store.mode() == Mode::Sandbox).then(Troubles::default);
        Some(Self {
            store,
            admission: Arc::new(Admission::new(options.admission)),
            small_calls: Arc::new(Admission::new(AdmissionLimits::of_small_calls())),
            bulk_work: BulkWork::on(options.bulk_threads),
            receipts,
            token_uses: TokenUses::default(),
            troubles,
            lane: Lane::Interactive,
        })
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.store.clock().now()
    }

    pub(crate) fn is_sandbox(&self) -> bool {
        self.store.mode() == Mode::Sandbox
    }

    /// What goes wrong on purpose with a send of these documents in `body`, as they are checked at `context`.
    pub(crate) fn trouble(
        &self,
        institution: InstitutionId,
        body: &[u8],
        items: &[ReadItem<'_>],
        context: CheckContext,
    ) -> Trouble {
        let Some(troubles) = self.troubles.as_ref().filter(|_| Troubles::may_concern(body)) else {
            return Trouble::default();
        };
        let receivers: Vec<(String, Receiver)> = items
            .iter()
            .filter_map(|item| {
                let external_id = item.external_document_uuid().unwrap_or_default();
                item.check(context).ok().map(|document| (external_id, document.receiver))
            })
            .collect();
        troubles.of(institution, &receivers)
    }

    /// Whether nothing keeps the process from serving, such as a clock that is in doubt.
    fn check_health(&self) -> Result<(), ApiError> {
        self.store.health().check().map_err(|_| ApiError::unavailable())
    }

    pub(crate) fn takes_receipts(&self) -> bool {
        self.receipts.is_some()
    }
}

/// Refuses everything while something keeps the process from serving: what it would write down could be wrong.
/// Why is told by the log, by the metrics and by readiness.
pub(crate) async fn refuse_unless_healthy(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    gateway.check_health()?;
    Ok(next.run(request).await)
}
