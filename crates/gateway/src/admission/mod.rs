//! Admission control and back-pressure: limits on concurrent bulk work, in requests and in bytes, in total
//! and per institution. A request over the limit is rejected immediately, so that no queue grows (DESIGN 5).
//! The more institutions are active, the smaller the share of each, so that none starves the others.

mod bodies;
mod completion_rate;
mod fair_queue;
mod token_cache;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use seoham_http::{ApiError, body};
use seoham_model::InstitutionId;
use seoham_vault::TokenHash;

pub(crate) use bodies::{AdmittedBody, admit_body, admit_small, small};
use completion_rate::CompletionRate;
pub(crate) use fair_queue::{FairPermit, FairQueue};
use token_cache::TokenCache;

/// Limits on concurrent work.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Concurrent requests in total.
    pub requests: usize,
    /// Body bytes in total.
    pub bytes: usize,
    /// Concurrent requests of one institution while no other is active; otherwise its share of the total
    /// applies.
    pub requests_per_institution: usize,
    /// Body bytes of one institution, with the same rule.
    pub bytes_per_institution: usize,
}

impl AdmissionLimits {
    /// The limits for calls with a single item: read reports and sandbox calls.
    pub(crate) fn of_small_calls() -> Self {
        let requests = 512;
        let bytes = requests * body::SMALL_BODY_MAX / 2;
        Self { requests, bytes, requests_per_institution: requests / 2, bytes_per_institution: bytes / 2 }
    }

    /// The limits for trying receivers of webhooks, which keeps a connection to somebody else's server.
    pub(crate) fn of_pings() -> Self {
        let requests = 32;
        let bytes = requests * body::SMALL_BODY_MAX;
        Self { requests, bytes, requests_per_institution: 2, bytes_per_institution: bytes }
    }
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        let bytes = 32 * 1024 * 1024;
        // Four times what keeps the writer busy: more would only add latency.
        Self { requests: 96, bytes, requests_per_institution: 64, bytes_per_institution: bytes / 2 }
    }
}

pub(crate) struct Admission {
    limits: AdmissionLimits,
    under_way: Mutex<UnderWay>,
    fair_queue: Arc<FairQueue>,
    token_cache: TokenCache,
}

struct UnderWay {
    all: Taken,
    of_institution: HashMap<InstitutionId, Taken>,
    completions: CompletionRate,
}

/// The resources that requests in progress use.
#[derive(Clone, Copy, Default)]
struct Taken {
    requests: usize,
    bytes: usize,
}

impl Taken {
    fn add(&mut self, bytes: usize) {
        self.requests += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.requests -= 1;
        self.bytes -= bytes;
    }

    /// Whether a request of `bytes` fits beside these. A lone request always fits, however small the limit
    /// is.
    fn leaves_room(self, bytes: usize, bound: usize) -> bool {
        self.requests == 0 || self.bytes + bytes <= bound
    }
}

/// The admission of one request; released on drop.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    institution: InstitutionId,
    bytes: usize,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        let completions = CompletionRate::default();
        let under_way = UnderWay { all: Taken::default(), of_institution: HashMap::new(), completions };
        // Twice the number of processors: while one request waits for the store, another is parsed.
        let at_once = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        let fair_queue = Arc::new(FairQueue::new(at_once));
        Self { limits, under_way: Mutex::new(under_way), fair_queue, token_cache: TokenCache::default() }
    }

    /// Rejects a request with `headers` before looking up its `token`, if there is no capacity for it.
    pub(crate) fn refuse_early(&self, token: &TokenHash, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(institution) = self.token_cache.institution_of(token, Instant::now()) else {
            return Ok(());
        };
        self.with_room(institution, body::declared_bytes(headers, body::BODY_MAX)).map(drop)
    }

    /// Caches the store's result for a `token`.
    pub(crate) fn learn(&self, token: TokenHash, institution: Option<InstitutionId>) {
        self.token_cache.insert(token, institution, Instant::now());
    }

    /// Waits for a permit to work on an admitted request of `institution`.
    pub(crate) async fn permit(&self, institution: InstitutionId) -> FairPermit {
        self.fair_queue.acquire(institution).await
    }

    /// Admits a request of `bytes` or rejects it: 429 for the institution's limits, 503 for the global ones.
    pub(crate) fn admit(
        self: &Arc<Self>,
        institution: InstitutionId,
        bytes: usize,
    ) -> Result<Admitted, ApiError> {
        let mut under_way = self.with_room(institution, bytes)?;
        under_way.completions.begun(Instant::now());
        under_way.all.add(bytes);
        under_way.of_institution.entry(institution).or_default().add(bytes);
        Ok(Admitted { admission: Arc::clone(self), institution, bytes })
    }

    /// Locks the state if there is capacity for another request of `institution`; otherwise returns the
    /// rejection.
    fn with_room(
        &self,
        institution: InstitutionId,
        bytes: usize,
    ) -> Result<MutexGuard<'_, UnderWay>, ApiError> {
        let mut under_way = self.lock();
        let (all, own) = (under_way.all, under_way.of(institution));
        self.check(&mut under_way, all, own, bytes)?;
        Ok(under_way)
    }

    /// Checks that a request of `bytes` fits beside `all` requests and the institution's `own`.
    fn check(&self, under_way: &mut UnderWay, all: Taken, own: Taken, bytes: usize) -> Result<(), ApiError> {
        let limits = self.limits;
        let others = under_way.of_institution.len() - usize::from(own.requests > 0);
        let beyond = |requests: usize, bytes_max: usize| {
            own.requests >= requests.max(1) || !own.leaves_room(bytes, bytes_max)
        };
        if beyond(limits.requests_per_institution, limits.bytes_per_institution) {
            return Err(under_way.refuse_institution(own, others));
        }
        if all.requests >= limits.requests || !all.leaves_room(bytes, limits.bytes) {
            metrics::counter!("seoham_refused_total", "bound" => "all").increment(1);
            let seconds = under_way.completions.seconds_for(all.requests, Instant::now());
            return Err(ApiError::unavailable().retry_after(seconds));
        }
        // A share for each active institution, and a spare one for a newcomer.
        let shares = others + 2;
        if others > 0 && beyond(limits.requests / shares, limits.bytes / shares) {
            return Err(under_way.refuse_institution(own, others));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    fn of(&self, institution: InstitutionId) -> Taken {
        self.of_institution.get(&institution).copied().unwrap_or_default()
    }

    /// Rejects a request of an institution with `own` requests in progress, while `others` institutions are
    /// active.
    fn refuse_institution(&mut self, own: Taken, others: usize) -> ApiError {
        metrics::counter!("seoham_refused_total", "bound" => "institution").increment(1);
        // Round robin: for each of its requests, one of every other institution is processed.
        let before = own.requests.saturating_mul(others + 1).min(self.all.requests);
        ApiError::too_many_requests().retry_after(self.completions.seconds_for(before, Instant::now()))
    }
}

impl Admitted {
    /// Extends the admission to a body of `bytes` so far. A body of unknown length reserves no more than it
    /// needs, and a stalled one blocks no one else.
    fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let mut under_way = self.admission.lock();
        let (mut all_others, mut own_others) = (under_way.all, under_way.of(self.institution));
        all_others.remove(self.bytes);
        own_others.remove(self.bytes);
        self.admission.check(&mut under_way, all_others, own_others, bytes)?;
        let more = bytes - self.bytes;
        under_way.all.bytes += more;
        under_way.of_institution.entry(self.institution).or_default().bytes += more;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut under_way = self.admission.lock();
        under_way.all.remove(self.bytes);
        let left = under_way.all.requests;
        under_way.completions.finished(left, Instant::now());
        if let Some(own) = under_way.of_institution.get_mut(&self.institution) {
            own.remove(self.bytes);
            if own.requests == 0 {
                under_way.of_institution.remove(&self.institution);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use seoham_model::Clock;

    const LIMITS: AdmissionLimits =
        AdmissionLimits { requests: 3, bytes: 100, requests_per_institution: 2, bytes_per_institution: 90 };

    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(LIMITS))
    }

    fn institution() -> InstitutionId {
        InstitutionId::generate(&Clock::default())
    }

    fn refusal<T>(asked: Result<T, ApiError>) -> Option<StatusCode> {
        asked.err().map(|error| error.into_response().status())
    }

    #[test]
    fn bounds_hold_and_are_given_back() {
        let admission = admission();
        let (a, b, c) = (institution(), institution(), institution());
        let first = admission.admit(a, 10).expect("admitted");
        let _second = admission.admit(a, 10).expect("admitted");
        assert_eq!(refusal(admission.admit(a, 10)), Some(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(refusal(admission.admit(b, 81)), Some(StatusCode::SERVICE_UNAVAILABLE), "bytes");
        let _third = admission.admit(b, 80).expect("admitted");
        assert_eq!(refusal(admission.admit(c, 0)), Some(StatusCode::SERVICE_UNAVAILABLE), "requests");
        drop(first);
        assert!(admission.admit(c, 10).is_ok(), "given back");
    }

    #[test]
    fn the_more_send_the_less_each_may_have_under_way() {
        let limits = AdmissionLimits {
            requests: 12,
            bytes: 1_200,
            requests_per_institution: 6,
            bytes_per_institution: 600,
        };
        let admission = Arc::new(Admission::new(limits));
        let (flood, others) = (institution(), [institution(), institution()]);
        let of_flood: Vec<_> = (0..6).map(|_| admission.admit(flood, 10).expect("it is alone")).collect();
        assert_eq!(refusal(admission.admit(flood, 10)), Some(StatusCode::TOO_MANY_REQUESTS));
        let first: Vec<_> =
            others.iter().map(|other| admission.admit(*other, 10).expect("room is left")).collect();
        drop(of_flood);
        let _of_flood: Vec<_> =
            (0..3).map(|_| admission.admit(flood, 10).expect("its share of four")).collect();
        assert_eq!(refusal(admission.admit(flood, 10)), Some(StatusCode::TOO_MANY_REQUESTS));
        assert!(admission.admit(others[0], 10).is_ok(), "another's share is another's");
        drop(first);
        assert!(admission.admit(flood, 10).is_ok(), "nobody else sends any more");
    }

    #[test]
    fn one_institution_has_not_all_the_bytes() {
        let admission = admission();
        let a = institution();
        let _first = admission.admit(a, 60).expect("admitted");
        assert_eq!(refusal(admission.admit(a, 31)), Some(StatusCode::TOO_MANY_REQUESTS));
        assert!(admission.admit(a, 30).is_ok());
        assert!(admission.admit(institution(), 40).is_ok());
    }

    #[test]
    fn a_known_token_is_refused_before_it_is_looked_up() {
        let admission = admission();
        let (a, token, headers) = (institution(), TokenHash([1; 32]), HeaderMap::new());
        let _under_way =
            [admission.admit(a, 10).expect("admitted"), admission.admit(a, 10).expect("admitted")];
        assert!(admission.refuse_early(&token, &headers).is_ok(), "nobody's yet");
        admission.learn(token, Some(a));
        let refused = admission.refuse_early(&token, &headers);
        assert_eq!(refusal(refused), Some(StatusCode::TOO_MANY_REQUESTS));
        admission.learn(token, Some(institution()));
        assert!(admission.refuse_early(&token, &headers).is_ok(), "its institution has room");
    }

    #[test]
    fn a_body_of_unknown_length_takes_what_it_has_brought() {
        let admission = admission();
        let (a, b) = (institution(), institution());
        let mut growing = admission.admit(a, 0).expect("admitted");
        let other = admission.admit(a, 50).expect("room is left");
        growing.grow(40).expect("within both bounds");
        growing.grow(20).expect("it had more");
        assert_eq!(refusal(growing.grow(41)), Some(StatusCode::TOO_MANY_REQUESTS));
        drop(other);
        let stranger = admission.admit(b, 60).expect("room is left");
        assert_eq!(refusal(growing.grow(41)), Some(StatusCode::SERVICE_UNAVAILABLE));
        drop(stranger);
        growing.grow(1_000).expect("the only one");
        drop(growing);
        let under_way = admission.lock();
        assert_eq!((under_way.all.requests, under_way.all.bytes), (0, 0), "given back");
        assert!(under_way.of_institution.is_empty());
    }
}
