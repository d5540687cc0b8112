//! How much bulk work may be under way at once, in requests and bytes, in all and for each
//! institution. Beyond it a request is refused at once: no queue grows (DESIGN 5).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::Bytes;
use seoham_http::{ApiError, body};
use seoham_model::InstitutionId;

use crate::state::Gateway;

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Requests under way in all.
    pub requests: usize,
    /// Their bodies' bytes in all.
    pub bytes: usize,
    /// Requests under way of one institution.
    pub requests_per_institution: usize,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self { requests: 256, bytes: 32 * 1024 * 1024, requests_per_institution: 128 }
    }
}

pub(crate) struct Admission {
    limits: AdmissionLimits,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    requests: usize,
    bytes: usize,
    of_institution: HashMap<InstitutionId, usize>,
}

/// The body of a request that has leave, read only once it has.
pub(crate) struct AdmittedBody {
    pub(crate) bytes: Bytes,
    _leave: Admitted,
}

/// Takes in the JSON body of a request of `institution`, if there is room for it.
pub(crate) async fn take_in(
    gateway: &Gateway,
    institution: InstitutionId,
    headers: &HeaderMap,
    stream: Body,
) -> Result<AdmittedBody, ApiError> {
    let leave = body::require_json(headers)
        .and_then(|()| gateway.admission.admit(institution, body::reserved_bytes(headers)));
    let leave = match leave {
        Ok(leave) => leave,
        Err(refusal) => {
            // A client in the middle of sending is to read the refusal, not a broken connection.
            body::drain(stream);
            return Err(refusal);
        }
    };
    Ok(AdmittedBody { bytes: body::read(headers, stream).await?, _leave: leave })
}

/// Leave for one request; given back when dropped.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    institution: InstitutionId,
    bytes: usize,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        Self { limits, under_way: Mutex::default() }
    }

    /// Leave for a request of `bytes`, or the refusal: 429 for the institution's own bound, 503
    /// for everybody's.
    pub(crate) fn admit(
        self: &Arc<Self>,
        institution: InstitutionId,
        bytes: usize,
    ) -> Result<Admitted, ApiError> {
        let mut under_way = self.lock();
        let own = under_way.of_institution.get(&institution).copied().unwrap_or(0);
        if own >= self.limits.requests_per_institution {
            metrics::counter!("seoham_refused_total", "bound" => "institution").increment(1);
            return Err(ApiError::too_many_requests());
        }
        // One request is always admitted, however small the bound on bytes is set.
        let too_much = under_way.requests > 0 && under_way.bytes + bytes > self.limits.bytes;
        if under_way.requests >= self.limits.requests || too_much {
            metrics::counter!("seoham_refused_total", "bound" => "all").increment(1);
            return Err(ApiError::unavailable());
        }
        under_way.requests += 1;
        under_way.bytes += bytes;
        *under_way.of_institution.entry(institution).or_default() += 1;
        Ok(Admitted { admission: Arc::clone(self), institution, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut under_way = self.admission.lock();
        under_way.requests -= 1;
        under_way.bytes -= self.bytes;
        if let Some(own) = under_way.of_institution.get_mut(&self.institution) {
            *own -= 1;
            if *own == 0 {
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

    #[test]
    fn bounds_hold_and_are_given_back() {
        let limits = AdmissionLimits { requests: 3, bytes: 100, requests_per_institution: 2 };
        let admission = Arc::new(Admission::new(limits));
        let institution = || InstitutionId::generate(&Clock::default());
        let (a, b, c) = (institution(), institution(), institution());
        let status = |who, bytes| admission.admit(who, bytes).map_err(|e| e.into_response().status());

        let first = status(a, 10).expect("admitted");
        let _second = status(a, 10).expect("admitted");
        assert_eq!(status(a, 10).err(), Some(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(status(b, 81).err(), Some(StatusCode::SERVICE_UNAVAILABLE), "bytes");
        let _third = status(b, 80).expect("admitted");
        assert_eq!(status(c, 0).err(), Some(StatusCode::SERVICE_UNAVAILABLE), "requests");
        drop(first);
        assert!(status(a, 10).is_ok(), "given back");
    }
}
