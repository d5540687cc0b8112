//! Groups the messages of a batch by what a call can have only once: its template.

use std::collections::BTreeMap;

use async_trait::async_trait;
use seoham_delivery::{Batch, Message, Sent, Trouble};
use seoham_model::BinderId;
use seoham_model::notification::NotificationId;
use seoham_store::undelivered::Failure;
use serde_json::Value;

/// How a provider knows the template of a group's messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TemplateKey {
    pub(crate) sender_key: String,
    pub(crate) template_code: String,
    pub(crate) falls_back: bool,
}

/// Messages of one template, each with its place in the batch.
pub(crate) type Group<'a> = (TemplateKey, Vec<(usize, &'a Message)>);

/// A provider whose calls have one template each.
#[async_trait]
pub(crate) trait GroupSender: Sync {
    /// Sends the messages of one template in one call, which is at this place among the batch's calls.
    async fn send_group(&self, batch: &Batch, call: usize, group: &Group<'_>) -> Vec<(usize, Sent)>;
}

/// Sends a batch by the groups of its templates, of at most `most` messages each, one after the other.
pub(crate) async fn send_groups(
    sender: &impl GroupSender,
    batch: &Batch,
    provider: &str,
    sender_key: &str,
    most: usize,
) -> Vec<Sent> {
    let (groups, without) = by_template(batch, provider, sender_key, most);
    let mut sent = vec![Sent::NotSent; batch.messages.len()];
    for (place, outcome) in without {
        sent[place] = outcome;
    }
    for (call, group) in groups.iter().enumerate() {
        if !batch.goes_on() {
            break;
        }
        for (place, outcome) in sender.send_group(batch, call, group).await {
            sent[place] = outcome;
        }
    }
    sent
}

/// Groups of at most `most` messages, in an order that depends on the messages alone. Those without a template of this
/// provider come with their outcome.
pub(crate) fn by_template<'a>(
    batch: &'a Batch,
    provider: &str,
    sender_key: &str,
    most: usize,
) -> (Vec<Group<'a>>, Vec<(usize, Sent)>) {
    let mut groups: BTreeMap<TemplateKey, Vec<(usize, &Message)>> = BTreeMap::new();
    let mut without = Vec::new();
    for (place, message) in batch.messages.iter().enumerate() {
        let template = message.template.as_ref().and_then(|template| template.providers.get(provider));
        let Some(template) = template else {
            let trouble = Trouble::of(Failure::NoTemplate);
            without.push((place, Sent::NotNow { retry_after: None, trouble }));
            continue;
        };
        let key = TemplateKey {
            sender_key: template.sender_key.clone().unwrap_or_else(|| sender_key.to_owned()),
            template_code: template.template_code.clone(),
            falls_back: message.fallback.is_some(),
        };
        groups.entry(key).or_default().push((place, message));
    }
    let split = |(key, messages): (TemplateKey, Vec<(usize, &'a Message)>)| {
        let chunks: Vec<Group<'a>> =
            messages.chunks(most).map(|chunk| (key.clone(), chunk.to_vec())).collect();
        chunks
    };
    (groups.into_iter().flat_map(split).collect(), without)
}

/// The same outcome for every message of a group.
pub(crate) fn all(messages: &[(usize, &Message)], sent: &Sent) -> Vec<(usize, Sent)> {
    messages.iter().map(|(place, _)| (*place, sent.clone())).collect()
}

/// The buttons of an approved template: their names and addresses, under the provider's names for those.
pub(crate) fn approved_buttons(list: &Value, name: &str, address: &str) -> Vec<(String, String)> {
    let text = |button: &Value, member: &str| button[member].as_str().unwrap_or_default().to_owned();
    let button = |button: &Value| (text(button, name), text(button, address));
    list.as_array().into_iter().flatten().map(button).collect()
}

/// The telephone number, as digits.
pub(crate) fn number(message: &Message) -> &str {
    message.to.number()
}

/// The document that an id of ours names.
pub(crate) fn document(id: &str) -> Option<BinderId> {
    NotificationId::parse(id).map(|id| id.0)
}
