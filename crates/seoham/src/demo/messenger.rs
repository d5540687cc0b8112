//! `seoham demo --messenger`: a real adapter, and a fake of its provider beside it.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use seoham_inbox::{PhoneMessage, Phones};
use seoham_messenger_fakes::{ACCOUNT, Fakes, SECRET, SENDER_KEY, TEMPLATES};
use seoham_model::clock::seoul_minutes;
use seoham_model::message::MessageKind;
use seoham_model::notification::NotificationId;
use seoham_model::{BinderId, UnixSeconds};
use serde_json::json;

use super::setup;
use crate::admin::AdminClient;
use crate::config::{Config, ProviderKind, ProviderSection, SendsSetting};

/// A provider that the demo can deliver through.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Provider {
    Nhn,
    Solapi,
    Sens,
    Aligo,
    Bizppurio,
}

impl Provider {
    fn kind(self) -> ProviderKind {
        match self {
            Self::Nhn => ProviderKind::Nhn,
            Self::Solapi => ProviderKind::Solapi,
            Self::Sens => ProviderKind::Sens,
            Self::Aligo => ProviderKind::Aligo,
            Self::Bizppurio => ProviderKind::Bizppurio,
        }
    }
}

/// A running fake.
pub(super) struct FakeMessenger {
    fakes: Arc<Fakes>,
    name: &'static str,
}

impl FakeMessenger {
    /// Starts a fake, and configures its provider.
    pub(super) async fn start(provider: Provider, config: &mut Config) -> Result<Self> {
        let fakes = Arc::new(Fakes::start().await?);
        std::fs::create_dir_all(&config.store.data)?;
        let secret_file = config.store.data.join("fake-messenger.secret");
        if !secret_file.exists() {
            setup::write_private(&secret_file, SECRET.as_bytes())?;
        }
        let (kind, account, text) =
            (provider.kind(), || Some(ACCOUNT.to_owned()), |text: &str| Some(text.to_owned()));
        config.messenger.providers = vec![ProviderSection {
            name: kind.name().to_owned(),
            kind,
            weight: 1.0,
            rate_per_second: None,
            personal_rate_per_second: None,
            secret_file: Some(secret_file),
            push_secret_file: None,
            url: Some(fakes.url()),
            timeout_seconds: 10,
            concurrent_calls: None,
            batch: false,
            falls_back: false,
            sends: SendsSetting::default(),
            app_key: account(),
            api_key: account(),
            access_key: account(),
            service_id: account(),
            user_id: account(),
            account: account(),
            sender_key: text(SENDER_KEY),
            from: text("0200000000"),
        }];
        Ok(Self { fakes, name: kind.name() })
    }

    /// Sets the templates that the fake has approved.
    pub(super) async fn set_templates(&self, admin: &AdminClient) -> Result<()> {
        for (kind, (code, body)) in MessageKind::ALL.into_iter().zip(TEMPLATES) {
            let template = json!({
                "body": body,
                "buttons": [{ "name": "문서확인", "url": "#{링크}" }],
                "providers": { self.name: { "template_code": code } },
            });
            admin.put(&format!("templates/{}", kind.name()), |request| request.json(&template)).await?;
        }
        Ok(())
    }

    /// What the fake's recipients see.
    pub(super) fn phones(&self) -> Arc<dyn Phones> {
        Arc::new(FakePhones(Arc::clone(&self.fakes)))
    }
}

struct FakePhones(Arc<Fakes>);

/// Number of messages that the page shows.
const SHOWN: usize = 2_000;

impl Phones for FakePhones {
    fn messages(&self) -> Vec<PhoneMessage> {
        let (now, instant) = (jiff::Timestamp::now().as_second(), Instant::now());
        let show = |message: seoham_messenger_fakes::Message| {
            let age = instant.duration_since(message.taken_at).as_secs();
            let at = UnixSeconds(now - i64::try_from(age).unwrap_or(0));
            PhoneMessage {
                document: document(&message.own_id),
                to: message.to,
                text: message.text,
                at: seoul_minutes(at),
                link: message.link,
            }
        };
        self.0.messages().into_iter().rev().take(SHOWN).map(show).collect()
    }
}

/// The document of a message, where the provider keeps our id.
fn document(own_id: &str) -> Option<BinderId> {
    NotificationId::parse(own_id).or_else(|| NotificationId::parse(&format!("NTF-{own_id}"))).map(|id| id.0)
}
