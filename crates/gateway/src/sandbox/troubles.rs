//! Fault injection: sandbox people whose requests fail on purpose (SPEC 12). An institution can test how its
//! client handles a retryable rejection, a lost response and a slow response.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use memchr::memmem;
use secrecy::ExposeSecret;
use seoham_http::ApiError;
use seoham_model::InstitutionId;
use seoham_model::document::{Receiver, ReceiverIdentity};
use seoham_store::personas;

/// How many faults are remembered. When full, the set is cleared, and faults occur again.
const REMEMBERED: usize = 100_000;
/// The `Retry-After` of an injected rejection.
const RETRY_AFTER_SECONDS: u32 = 1;

/// One fault per external id: the institution, the person's number and the external id.
type Once = (InstitutionId, &'static str, String);

/// The faults that have occurred in this process.
#[derive(Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<HashSet<Once>>>);

/// The fault injected into a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    refused: Option<&'static str>,
    loses_the_answer: bool,
    is_slow: bool,
}

impl Troubles {
    /// A cheap scan of the body for one of these people, because most requests are not worth a second check.
    pub(crate) fn may_concern(body: &[u8]) -> bool {
        [&b"0100000000"[..], b"0100000001", b"SANDBOX-CI-"]
            .iter()
            .any(|part| memmem::find(body, part).is_some())
    }

    /// The faults for a request of `institution` to these receivers, each with its external id. A fault that
    /// occurs once per external id is consumed by this call. A rejected request has no other fault.
    pub(crate) fn of(&self, institution: InstitutionId, items: &[(String, Receiver)]) -> Trouble {
        let troubled: Vec<(&'static str, &str)> = items
            .iter()
            .filter_map(|(external_id, receiver)| Some((number_of(receiver)?, external_id.as_str())))
            .collect();
        let refuses = |number| [personas::THROTTLES, personas::UNAVAILABLE].contains(&number);
        let refused = troubled
            .iter()
            .find(|(number, id)| refuses(*number) && self.is_first(institution, number, id))
            .map(|(number, _)| *number);
        if let Some(number) = refused {
            // This consumes the fault for all items of the request.
            for (_, id) in troubled.iter().filter(|(other, _)| *other == number) {
                self.is_first(institution, number, id);
            }
            return Trouble { refused, ..Trouble::default() };
        }
        let mut trouble = Trouble::default();
        for (number, external_id) in troubled {
            trouble.is_slow |= number == personas::ANSWERS_SLOWLY;
            trouble.loses_the_answer |=
                number == personas::LOSES_THE_ANSWER && self.is_first(institution, number, external_id);
        }
        trouble
    }

    fn is_first(&self, institution: InstitutionId, number: &'static str, external_id: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((institution, number, external_id.to_owned()))
    }
}

impl Trouble {
    /// Rejects the whole request, if that is the fault.
    pub(crate) fn before(self) -> Result<(), ApiError> {
        match self.refused {
            Some(personas::THROTTLES) => Err(ApiError::too_many_requests().retry_after(RETRY_AFTER_SECONDS)),
            Some(_) => Err(ApiError::unavailable().retry_after(RETRY_AFTER_SECONDS)),
            None => Ok(()),
        }
    }

    /// Applies the fault to the response.
    pub(crate) async fn after(self, answer: Response) -> Response {
        if self.is_slow {
            tokio::time::sleep(Duration::from_secs(personas::ANSWERS_SLOWLY_SECONDS)).await;
        }
        if self.loses_the_answer { broken_off() } else { answer }
    }
}

/// A response that aborts before its first byte, and closes the connection.
fn broken_off() -> Response {
    let failure = Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted));
    Body::from_stream(futures_util::stream::iter([failure])).into_response()
}

/// The number of the fault-injecting person that `receiver` addresses, if any.
fn number_of(receiver: &Receiver) -> Option<&'static str> {
    let troubled =
        [personas::THROTTLES, personas::UNAVAILABLE, personas::LOSES_THE_ANSWER, personas::ANSWERS_SLOWLY];
    match &receiver.identity {
        ReceiverIdentity::Ci(ci) => {
            personas::number_of_ci(ci.expose_secret()).filter(|n| troubled.contains(n))
        }
        ReceiverIdentity::Phone { phone_number, .. } => {
            troubled.into_iter().find(|number| *number == phone_number.expose_secret())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(number: &str) -> Receiver {
        let identity =
            ReceiverIdentity::Phone { phone_number: number.into(), birthday: personas::BIRTHDAY.into() };
        Receiver { identity, verify_name: None }
    }

    #[test]
    fn requests_for_others_are_not_looked_into() {
        let troubled = ["01000000008", "01000000009", "01000000010", "01000000011", "SANDBOX-CI-8"];
        for whom in troubled {
            assert!(Troubles::may_concern(format!(r#"{{"a":"{whom}"}}"#).as_bytes()), "{whom}");
        }
        assert!(!Troubles::may_concern(br#"{"phone_number":"01055556666"}"#));
    }

    #[test]
    fn a_trouble_comes_once_for_each_external_id_of_an_institution() {
        let troubles = Troubles::default();
        let clock = seoham_model::Clock::default();
        let (one, other) = (InstitutionId::generate(&clock), InstitutionId::generate(&clock));
        let of = |institution, id: &str, number: &str| {
            troubles.of(institution, &[(id.to_owned(), receiver(number))])
        };
        let refused = |trouble: Trouble| trouble.before().is_err();
        for number in [personas::THROTTLES, personas::UNAVAILABLE] {
            assert!(refused(of(one, "A", number)) && !refused(of(one, "A", number)));
            assert!(refused(of(one, "B", number)) && refused(of(other, "A", number)));
        }
        assert!(of(one, "A", personas::LOSES_THE_ANSWER).loses_the_answer);
        assert!(!of(one, "A", personas::LOSES_THE_ANSWER).loses_the_answer);
        assert!(
            of(one, "A", personas::ANSWERS_SLOWLY).is_slow && of(one, "A", personas::ANSWERS_SLOWLY).is_slow
        );
        assert_eq!(of(one, "A", personas::MEMBER), Trouble::default());
        let by_ci = Receiver { identity: ReceiverIdentity::Ci("SANDBOX-CI-8".into()), verify_name: None };
        assert!(refused(troubles.of(one, &[("C".to_owned(), by_ci)])));
        let many = ["X", "Y", "Z"].map(|id| (id.to_owned(), receiver(personas::THROTTLES)));
        assert!(refused(troubles.of(one, &many)) && !refused(troubles.of(one, &many)));
        // Only one of several faults occurs at a time.
        let all = ["01000000008", "01000000009", "01000000010"].map(|n| ("D".to_owned(), receiver(n)));
        assert!(refused(troubles.of(one, &all)) && refused(troubles.of(one, &all)));
        assert!(troubles.of(one, &all).loses_the_answer);
        assert_eq!(troubles.of(one, &all), Trouble::default());
    }
}
