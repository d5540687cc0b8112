//! What NHN answers and pushes.

use seoham_delivery::{Reported, Trouble};
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::Arrival;
use seoham_store::undelivered::Failure;
use serde::Deserialize;
use serde_json::Value;

use crate::call::text_of;
use crate::time;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    #[serde(rename = "isSuccessful")]
    pub(super) is_successful: bool,
    #[serde(rename = "resultCode")]
    pub(super) result_code: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SendAnswer {
    pub(super) header: Header,
    pub(super) message: Option<SendResults>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SendResults {
    pub(super) request_id: String,
    pub(super) send_results: Vec<SendResult>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SendResult {
    pub(super) recipient_seq: usize,
    pub(super) recipient_grouping_key: Option<String>,
    pub(super) result_code: Value,
    pub(super) result_message: Option<String>,
}

/// What became of a message, in a push or an answer.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) request_id: Option<String>,
    pub(super) recipient_seq: Option<u64>,
    pub(super) recipient_grouping_key: Option<String>,
    pub(super) receive_date: Option<String>,
    pub(super) message_status: Option<String>,
    pub(super) result_code: Value,
    pub(super) result_code_name: Option<String>,
    pub(super) resend_status: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Outcomes {
    pub(super) header: Header,
    pub(super) messages: Vec<Outcome>,
    #[serde(rename = "messageSearchResultResponse")]
    pub(super) search: Option<Box<Outcomes>>,
    pub(super) message: Option<Outcome>,
    pub(super) hooks: Vec<Outcome>,
}

impl Outcome {
    pub(super) fn reference(&self) -> Option<String> {
        Some(format!("{}/{}", self.request_id.as_deref()?, self.recipient_seq?))
    }

    /// What became of it; `None` while that is open.
    pub(super) fn arrival(&self) -> Option<Arrival> {
        let code = text_of(&self.result_code).unwrap_or_default();
        // Their list of results says MRC01, their table of codes 1000.
        if code == "MRC01" || code == "1000" {
            return Some(Arrival::Messenger);
        }
        match self.resend_status.as_deref() {
            Some("RSC04") => Some(Arrival::Fallback),
            Some("RSC02" | "RSC03") => None,
            _ if self.message_status.as_deref() == Some("READY") || code.is_empty() => None,
            _ => Some(Arrival::Failed),
        }
    }

    /// The report on a document's message; `None` while it is open.
    pub(super) fn report(&self, document: BinderId) -> Option<Reported> {
        Some(Reported { document, arrival: self.arrival()?, at: self.at(), said: self.said() })
    }

    /// When it arrived, or was given up.
    pub(super) fn at(&self) -> UnixSeconds {
        self.receive_date.as_deref().and_then(time::parse).unwrap_or_else(time::now)
    }

    fn said(&self) -> Option<String> {
        let code = text_of(&self.result_code)?;
        Trouble::said(Failure::Provider, &code, self.result_code_name.as_deref().unwrap_or("")).said
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(json: Value) -> Option<Arrival> {
        serde_json::from_value::<Outcome>(json).expect("an outcome").arrival()
    }

    #[test]
    fn results_are_read_as_they_are_documented() {
        for (json, arrival) in [
            (json!({"resultCode": "MRC01"}), Some(Arrival::Messenger)),
            (json!({"resultCode": 1000, "messageStatus": "COMPLETED"}), Some(Arrival::Messenger)),
            (json!({"resultCode": "MRC02"}), Some(Arrival::Failed)),
            (json!({"resultCode": "3019", "resendStatus": "RSC01"}), Some(Arrival::Failed)),
            (json!({"resultCode": "3019", "resendStatus": "RSC03"}), None),
            (json!({"resultCode": "3019", "resendStatus": "RSC04"}), Some(Arrival::Fallback)),
            (json!({"resultCode": "3019", "resendStatus": "RSC05"}), Some(Arrival::Failed)),
            (json!({"messageStatus": "READY"}), None),
        ] {
            assert_eq!(outcome(json.clone()), arrival, "{json}");
        }
    }
}
