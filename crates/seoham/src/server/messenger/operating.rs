//! What an operator tries and checks at the providers.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_delivery::{Lines, Message, MessageId, Sent};
use seoham_messengers::check;
use seoham_model::Clock;
use seoham_model::clock::seoul_minutes;
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_model::template::Values;
use seoham_operator::{ConfiguredProvider, Messengers, TemplateFinding, TestAnswer};
use seoham_store::Store;
use seoham_store::templates::TemplateOwner;

use crate::config::Config;

pub(crate) struct OperatingMessengers {
    lines: Lines,
    configured: Vec<ConfiguredProvider>,
    store: Arc<dyn Store>,
    box_url: String,
    clock: Clock,
}

impl OperatingMessengers {
    pub(crate) fn new(config: &Config, lines: &Lines, store: &Arc<dyn Store>, box_url: &str) -> Self {
        let kind_of = |name: &str| {
            let section = config.messenger.providers.iter().find(|section| section.name == name);
            section.map_or(
                match name {
                    "http" | "simulator" => {
                        if name == "http" {
                            "http"
                        } else {
                            "simulator"
                        }
                    }
                    _ => "none",
                },
                |section| section.kind.name(),
            )
        };
        let configured = lines.all().iter().map(|line| ConfiguredProvider {
            name: line.name().to_owned(),
            kind: kind_of(line.name()),
            weight: line.options.weight,
        });
        Self {
            configured: configured.collect(),
            lines: lines.clone(),
            store: store.clone(),
            box_url: box_url.to_owned(),
            clock: store.clock().clone(),
        }
    }

    /// A notification about an invented document.
    fn message(&self, number: SecretString, template: Option<MessageTemplate>) -> Message {
        let deadline_at = self.clock.now().plus(30 * 24 * 60 * 60);
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
        Message::new(id, MessageKind::DocumentArrived, number, template, &values, || {
            "[서함] 발송 시험\n운영자가 보낸 시험 메시지입니다. 확인하실 문서는 없습니다.".to_owned()
        })
    }
}

#[async_trait]
impl Messengers for OperatingMessengers {
    fn providers(&self) -> Vec<ConfiguredProvider> {
        self.configured.clone()
    }

    async fn test(&self, number: SecretString, provider: Option<&str>) -> Vec<TestAnswer> {
        let template = self.store.template(TemplateOwner::Platform, MessageKind::DocumentArrived).await;
        let template = template.unwrap_or_else(|error| {
            tracing::warn!(%error, "a template cannot be read");
            None
        });
        let mut answers = Vec::new();
        for line in self.lines.all().iter().filter(|line| provider.is_none_or(|name| name == line.name())) {
            let provider = line.name().to_owned();
            if !line.suits(template.as_ref()) {
                answers.push(TestAnswer { provider, outcome: "no_template", said: None });
                continue;
            }
            let message = self.message(number.clone(), template.clone());
            let others: Vec<String> = self.lines.all().iter().map(|line| line.name().to_owned()).collect();
            let others: Vec<String> = others.into_iter().filter(|name| *name != provider).collect();
            let sent = self.lines.send_one(message, &others, self.clock.now()).await;
            let (outcome, trouble) = match sent.map(|(_, sent)| sent) {
                Some(Sent::Taken { .. }) => ("taken", None),
                Some(Sent::Refused(trouble)) => ("refused", Some(trouble)),
                Some(Sent::NotNow { trouble, .. }) => ("retry", Some(trouble)),
                Some(Sent::Misconfigured(trouble)) => ("misconfigured", Some(trouble)),
                Some(Sent::Unknown(trouble)) => ("unknown", Some(trouble)),
                Some(Sent::NotSent) | None => ("retry", None),
            };
            let said = trouble.map(|trouble| trouble.said.unwrap_or_else(|| trouble.failure.to_string()));
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
