//! `POST /provider/v1/receipts`: the messenger's delivery reports (SPEC 13), signed as Standard Webhooks
//! prescribes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use bytes::Bytes;
use secrecy::SecretString;
use seoham_http::{ApiError, body, headers};
use seoham_model::forms::{ReportedMessage, ReportedStatus};
use seoham_model::{UnixSeconds, forms};
use seoham_store::deliveries::{Arrival, Receipt};
use seoham_vault::WebhookKey;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::state::Gateway;

pub(crate) const PATH: &str = "/provider/v1/receipts";

/// The maximum body size: 1,000 reports, with room for provider-specific members.
const BODY_MAX: usize = 256 * 1024;
/// How many unauthenticated bodies are read concurrently. One more evicts the oldest: a real provider sends
/// its body without delay, so a stalled sender is evicted first.
const READ_AT_ONCE: usize = 64;
/// How many reports are recorded concurrently.
const RECORDED_AT_ONCE: usize = 8;
/// The tolerance for a report's age and for the sender's clock skew, as Standard Webhooks recommends.
const TOLERANCE_SECONDS: i64 = 5 * 60;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Authenticates the messenger's reports and limits how many are processed concurrently.
pub(crate) struct Receipts {
    keys: Vec<WebhookKey>,
    reading: Reading,
    recording: Semaphore,
}

impl Receipts {
    /// `None` when a signing secret cannot be used.
    pub(crate) fn new(secrets: &[SecretString]) -> Option<Self> {
        let recording = Semaphore::new(RECORDED_AT_ONCE);
        let keys = secrets.iter().map(WebhookKey::new).collect::<Option<_>>()?;
        Some(Self { keys, reading: Reading::default(), recording })
    }

    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Verifies the signature of a request sent at about `now`, and returns its body.
    async fn read_signed(&self, request: Request, now: UnixSeconds) -> Result<Bytes, ApiError> {
        let (parts, stream) = request.into_parts();
        let signed = Signed::of(&parts.headers)?.filter(|signed| signed.is_of(now)).ok_or_else(unsigned)?;
        body::require_json(&parts.headers)?;
        let bytes = self.read(&parts.headers, stream).await?;
        let is_signed =
            |key: &WebhookKey| key.is_signed(signed.id, signed.timestamp, &bytes, signed.signatures);
        if self.keys.iter().any(is_signed) { Ok(bytes) } else { Err(unsigned()) }
    }

    /// Reads the body of somebody who is not authenticated yet.
    pub(crate) async fn read(&self, headers: &HeaderMap, stream: Body) -> Result<Bytes, ApiError> {
        let mut place = self.reading.begin();
        tokio::select! {
            read = body::read_granted(headers, stream, BODY_MAX, |_| Ok(())) => read,
            () = place.is_lost() => {
                metrics::counter!("seoham_refused_total", "bound" => "receipts").increment(1);
                Err(ApiError::unavailable())
            }
        }
    }

    /// A turn at recording reports.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.recording.acquire().await.map_err(|_| ApiError::unavailable())
    }
}

pub(crate) async fn receipts(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let signed = &gateway.receipts;
    // The provider does not know how far a sandbox's clock was advanced.
    let now = gateway.now().plus(-gateway.store.clock().advanced_seconds());
    let bytes = signed.read_signed(request, now).await?;
    let reported = forms::receipts(&body::without_mark(bytes))?;
    let receipts: Vec<Receipt> = reported
        .into_iter()
        .filter_map(|r| Some(receipt(r.id?, r.status, r.at, gateway.has_own_fallback)))
        .collect();
    let _turn = signed.turn().await?;
    metrics::counter!("seoham_receipts_total").increment(receipts.len() as u64);
    gateway.store.record_receipts(receipts, gateway.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is recorded of a report. A notification that did not arrive is followed by our own fallback, if there is one; one of
/// these that did not arrive is followed by nothing.
fn receipt(
    message: ReportedMessage,
    status: ReportedStatus,
    at: UnixSeconds,
    has_own_fallback: bool,
) -> Receipt {
    let (document, arrival) = match (message, status) {
        (ReportedMessage::Notification(document), ReportedStatus::Delivered) => {
            (document, Arrival::Messenger)
        }
        (ReportedMessage::Notification(document), ReportedStatus::Failed) if has_own_fallback => {
            (document, Arrival::FallsBack)
        }
        (
            ReportedMessage::Notification(document) | ReportedMessage::Fallback(document),
            ReportedStatus::Failed,
        ) => (document, Arrival::Failed),
        (ReportedMessage::Notification(document), ReportedStatus::Fallback)
        | (ReportedMessage::Fallback(document), _) => (document, Arrival::Fallback),
    };
    Receipt { document, arrival, at }
}

/// The headers that authenticate a report.
struct Signed<'a> {
    id: &'a [u8],
    timestamp: &'a [u8],
    signatures: &'a [u8],
}

impl<'a> Signed<'a> {
    /// `None` if there are no signature headers: the body is then not read.
    fn of(headers: &'a HeaderMap) -> Result<Option<Self>, ApiError> {
        let id = headers::single(headers, &ID)?;
        let timestamp = headers::single(headers, &TIMESTAMP)?;
        let signatures = headers::single(headers, &SIGNATURE)?;
        let all = id.zip(timestamp).zip(signatures);
        Ok(all.map(|((id, timestamp), signatures)| Self { id, timestamp, signatures }))
    }

    /// Whether the timestamp is within the tolerance of `now`.
    fn is_of(&self, now: UnixSeconds) -> bool {
        let sent = std::str::from_utf8(self.timestamp).ok().and_then(|text| text.parse().ok());
        sent.is_some_and(|sent| now.seconds_since(UnixSeconds(sent)).saturating_abs() <= TOLERANCE_SECONDS)
    }
}

/// Bodies being read, oldest first. Reading one ends when its place is evicted.
#[derive(Default)]
struct Reading(Mutex<Places>);

#[derive(Default)]
struct Places {
    next: u64,
    taken: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// The place of one body.
struct Place<'a> {
    reading: &'a Reading,
    number: u64,
    lost: oneshot::Receiver<()>,
}

impl Reading {
    fn begin(&self) -> Place<'_> {
        let (kept, lost) = oneshot::channel();
        let mut places = self.lock();
        if places.taken.len() >= READ_AT_ONCE {
            // Dropping the sender notifies the reader of the oldest body.
            places.taken.pop_front();
        }
        let number = places.next;
        places.next += 1;
        places.taken.push_back((number, kept));
        Place { reading: self, number, lost }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    async fn is_lost(&mut self) {
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.reading.lock().taken.retain(|(number, _)| *number != self.number);
    }
}

pub(crate) fn unsigned() -> ApiError {
    metrics::counter!("seoham_receipts_refused_total").increment(1);
    ApiError::unauthorized()
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_its_place_to_one_more() {
        let reading = Reading::default();
        let mut places: Vec<Place<'_>> = (0..READ_AT_ONCE).map(|_| reading.begin()).collect();
        let is_lost = async |place: &mut Place<'_>| {
            tokio::select! { biased; () = place.is_lost() => true, () = ready(()) => false }
        };
        assert!(!is_lost(&mut places[0]).await);
        let mut another = reading.begin();
        assert!(is_lost(&mut places[0]).await && !is_lost(&mut places[1]).await);
        drop(places.pop());
        let _one_more = reading.begin();
        assert!(!is_lost(&mut places[1]).await && !is_lost(&mut another).await, "a place was free");
    }

    #[test]
    fn a_report_says_by_which_message_the_person_was_told() {
        let document = seoham_model::BinderId::generate(&seoham_model::Clock::default());
        let (notification, fallback) =
            (ReportedMessage::Notification(document), ReportedMessage::Fallback(document));
        for (message, status, has_own_fallback, arrival) in [
            (notification, ReportedStatus::Delivered, true, Arrival::Messenger),
            (notification, ReportedStatus::Fallback, true, Arrival::Fallback),
            (notification, ReportedStatus::Failed, false, Arrival::Failed),
            (notification, ReportedStatus::Failed, true, Arrival::FallsBack),
            (fallback, ReportedStatus::Delivered, true, Arrival::Fallback),
            (fallback, ReportedStatus::Fallback, true, Arrival::Fallback),
            (fallback, ReportedStatus::Failed, true, Arrival::Failed),
        ] {
            let receipt = receipt(message, status, UnixSeconds(5), has_own_fallback);
            assert_eq!(receipt, Receipt { document, arrival, at: UnixSeconds(5) }, "{message:?} {status:?}");
        }
    }

    #[test]
    fn a_report_is_of_now() {
        let now = UnixSeconds(1_800_000_000);
        let is = |timestamp: &str| {
            Signed { id: b"a", timestamp: timestamp.as_bytes(), signatures: b"" }.is_of(now)
        };
        assert!(is("1800000000") && is("1799999700") && is("1800000300"));
        for not in ["1799999699", "1800000301", "", "x", "-9223372036854775808", "18446744073709551616"] {
            assert!(!is(not), "{not}");
        }
    }
}
