//! State shared by all endpoints.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::SecretString;
use seoham_http::ApiError;
use seoham_model::document::{CheckContext, ReadItem, Receiver};
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::token_uses::TokenUses;
use seoham_store::{GatewayStore, Lane, Mode};
use seoham_vault::TokenHash;
use tokio::runtime::Handle;

use crate::admission::{Admission, AdmissionLimits};
use crate::bulk_work::BulkWork;
use crate::events::EventFeeds;
use crate::pushed::PushedReports;
use crate::receipts::Receipts;
use crate::sandbox::troubles::{Trouble, Troubles};
use crate::webhooks::WebhookPings;

/// The gateway's configuration.
pub struct GatewayOptions {
    /// Limits on concurrent work.
    pub admission: AdmissionLimits,
    /// The signing secrets of HTTP providers. Without any, no reports are accepted from them.
    pub receipt_secrets: Vec<SecretString>,
    /// An HTTP provider sends our own fallbacks: one follows the report that a notification did not arrive.
    pub has_own_fallback: bool,
    /// Takes the reports that other providers push. Without it, none are accepted.
    pub pushed_reports: Option<Arc<dyn PushedReports>>,
    /// The feeds of events.
    pub feeds: Arc<dyn EventFeeds>,
    /// Tries the receivers of webhooks.
    pub pings: Arc<dyn WebhookPings>,
    /// A trusted proxy is in front, and sets `X-Forwarded-For`: tokens that are bound to networks go by it.
    pub behind_proxy: bool,
    /// The thread pool for bulk requests, separate from the listener threads.
    pub bulk_threads: Handle,
}

/// The gateway. Clones share everything.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) store: Arc<dyn GatewayStore>,
    pub(crate) admission: Arc<Admission>,
    /// Admission control for calls with a single item.
    pub(crate) small_calls: Arc<Admission>,
    /// Admission control for trying receivers of webhooks.
    pub(crate) registrations: Arc<Admission>,
    pub(crate) bulk_work: BulkWork,
    pub(crate) receipts: Arc<Receipts>,
    /// An HTTP provider sends our own fallbacks.
    pub(crate) has_own_fallback: bool,
    pub(crate) pushed_reports: Option<Arc<dyn PushedReports>>,
    pub(crate) feeds: Arc<dyn EventFeeds>,
    pub(crate) pings: Arc<dyn WebhookPings>,
    pub(crate) token_uses: TokenUses<[u8; 32]>,
    /// A trusted proxy is in front, and sets `X-Forwarded-For`.
    pub(crate) behind_proxy: bool,
    /// Fault injection; `None` outside a sandbox.
    pub(crate) troubles: Option<Troubles>,
    /// The lane of its listener: bulk requests are authenticated in a separate lane.
    pub(crate) lane: Lane,
}

impl Gateway {
    /// A gateway over `store`; `None` if a receipt secret is not usable.
    pub fn new(store: Arc<dyn GatewayStore>, options: GatewayOptions) -> Option<Self> {
        let receipts = Arc::new(Receipts::new(&options.receipt_secrets)?);
        let troubles = (store.mode() == Mode::Sandbox).then(Troubles::default);
        Some(Self {
            store,
            admission: Arc::new(Admission::new(options.admission)),
            small_calls: Arc::new(Admission::new(AdmissionLimits::of_small_calls())),
            registrations: Arc::new(Admission::new(AdmissionLimits::of_pings())),
            bulk_work: BulkWork::on(options.bulk_threads),
            receipts,
            has_own_fallback: options.has_own_fallback,
            pushed_reports: options.pushed_reports,
            feeds: options.feeds,
            pings: options.pings,
            token_uses: TokenUses::default(),
            behind_proxy: options.behind_proxy,
            troubles,
            lane: Lane::Interactive,
        })
    }

    /// Reports the use of a valid access token, outside the request path.
    pub(crate) fn token_used(&self, hash: TokenHash) {
        let now = self.now();
        if self.token_uses.is_due(hash.0, now) {
            let store = Arc::clone(&self.store);
            tokio::spawn(async move {
                if let Err(error) = store.token_used(hash, now).await {
                    tracing::debug!(%error, "the use of an access token was not noted");
                }
            });
        }
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.store.clock().now()
    }

    pub(crate) fn is_sandbox(&self) -> bool {
        self.store.mode() == Mode::Sandbox
    }

    /// The injected fault for a send of these documents in `body`, validated at `context`.
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

    /// Fails while the process is unhealthy, for example when its clock is in doubt.
    fn check_health(&self) -> Result<(), ApiError> {
        self.store.health().check().map_err(|_| ApiError::unavailable())
    }

    pub(crate) fn takes_receipts(&self) -> bool {
        self.receipts.has_keys()
    }
}

/// Rejects every request while the process is unhealthy, because it could store wrong data. The log, the
/// metrics and the readiness check report the reason.
pub(crate) async fn refuse_unless_healthy(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    gateway.check_health()?;
    Ok(next.run(request).await)
}
