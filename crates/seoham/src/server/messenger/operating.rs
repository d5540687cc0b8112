//! What an operator tries and checks at the providers.

use std::sync::Arc;

use async_trait::async_trait;
use seoham_delivery::{Line, Lines, Message, MessageId, Sends, Sent};
use seoham_messengers::check;
use seoham_model::clock::seoul_minutes;
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_model::person::Addresses;
use seoham_model::template::Values;
use seoham_operator::{ConfiguredProvider, Messengers, TemplateFinding, TestAnswer};
use seoham_store::Store;
use seoham_store::templates::TemplateOwner;

pub(crate) struct OperatingMessengers {
    pub(crate) lines: Lines,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) box_url: String,
}

impl OperatingMessengers {
    /// A notification about an invented document.
    fn message(&self, to: Addresses, template: Option<MessageTemplate>) -> Message {
        let deadline_at = self.store.clock().now().plus(30 * 24 * 60 * 60);
        let values = Values {
            institution_name: "서함",
            title: "발송 시험",
            message: "운영자가 보낸 시험 메시지입니다. 확인하실 문서는 없습니다.",
            deadline: seoul_minutes(deadline_at),
            cs_name: "서함",
            cs_number: "-",
            link: &format!("{}/", self.box_url.trim_end_matches('/')),
        };
        let id = MessageId::Test(rand::random());
        let template = template.map(Arc::new);
        Message::new(id, MessageKind::DocumentArrived, to, template, &values, || {
            "[서함] 발송 시험\n운영자가 보낸 시험 메시지입니다. 확인하실 문서는 없습니다.".to_owned()
        })
    }
}

#[async_trait]
impl Messengers for OperatingMessengers {
    fn providers(&self) -> Vec<ConfiguredProvider> {
        let configured = |line: &Arc<Line>| ConfiguredProvider {
            name: line.name().to_owned(),
            kind: line.options.kind,
            weight: line.options.weight,
        };
        self.lines.all().iter().map(configured).collect()
    }

    async fn test(&self, to: Addresses, provider: Option<&str>) -> Vec<TestAnswer> {
        let template = self.store.template(TemplateOwner::Platform, MessageKind::DocumentArrived).await;
        let template = template.unwrap_or_else(|error| {
            tracing::warn!(%error, "a template cannot be read");
            None
        });
        let mut answers = Vec::new();
        for line in self.lines.all().iter().filter(|line| provider.is_none_or(|name| name == line.name())) {
            let provider = line.name().to_owned();
            let message = self.message(to.clone(), template.clone());
            let message = match line.options.sends {
                Sends::Messages => Some(message),
                Sends::Fallbacks => message.into_fallback(),
            };
            let Some(message) = message else {
                answers.push(TestAnswer { provider, outcome: "no_template", said: None });
                continue;
            };
            let unfit = match (line.reaches(&message.to), line.suits(&message)) {
                (false, _) => Some("not_reached"),
                (true, false) => Some("no_template"),
                (true, true) => None,
            };
            if let Some(outcome) = unfit {
                answers.push(TestAnswer { provider, outcome, said: None });
                continue;
            }
            let (outcome, trouble) = match line.send_one(message, self.store.clock().now()).await {
                Sent::Taken { .. } => ("taken", None),
                Sent::Refused(trouble) => ("refused", Some(trouble)),
                Sent::NotNow { trouble, .. } => ("retry", Some(trouble)),
                Sent::Misconfigured(trouble) => ("misconfigured", Some(trouble)),
                Sent::Unknown { trouble, .. } => ("unknown", Some(trouble)),
                Sent::NotSent => ("retry", None),
            };
            let said = trouble.map(|trouble| trouble.words());
            answers.push(TestAnswer { provider, outcome, said });
        }
        answers
    }

    async fn check(&self, template: &MessageTemplate) -> Vec<TemplateFinding> {
        let found = check(template, &self.lines).await;
        let finding = |finding: seoham_messengers::Finding| TemplateFinding {
            provider: finding.provider,
            is_fault: finding.is_fault,
            text: finding.text,
        };
        found.into_iter().map(finding).collect()
    }
}
