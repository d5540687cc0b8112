//! What NHN is sent. Written straight from the messages: a call has a thousand.

use seoham_delivery::Message;
use serde::{Serialize, Serializer};

use crate::fallback::Fallback;
use crate::grouping::{TemplateKey, number};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call<'a> {
    sender_key: &'a str,
    template_code: &'a str,
    sender_grouping_key: &'a str,
    recipient_list: Vec<Recipient<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recipient<'a> {
    recipient_no: &'a str,
    template_parameter: Variables<'a>,
    recipient_grouping_key: String,
    resend_parameter: Resend<'a>,
}

/// The values of a template's variables, by their names.
struct Variables<'a>(&'a [(&'static str, String)]);

impl Serialize for Variables<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resend<'a> {
    is_resend: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_send_no: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A call for messages of one template; `id` identifies their hand-over.
    pub(super) fn new(id: &'a str, key: &'a TemplateKey, messages: &[(usize, &'a Message)]) -> Self {
        Self {
            sender_key: &key.sender_key,
            template_code: &key.template_code,
            sender_grouping_key: id,
            recipient_list: messages.iter().map(|(_, message)| Recipient::of(message)).collect(),
        }
    }
}

impl<'a> Recipient<'a> {
    fn of(message: &'a Message) -> Self {
        let resend = Fallback::of(message).map_or_else(Resend::default, |fallback| Resend {
            is_resend: true,
            resend_type: Some(fallback.kind()),
            resend_content: Some(fallback.text),
            resend_send_no: Some(fallback.from),
        });
        Self {
            recipient_no: number(message),
            template_parameter: Variables(&message.variables),
            recipient_grouping_key: message.id.to_string(),
            resend_parameter: resend,
        }
    }
}
