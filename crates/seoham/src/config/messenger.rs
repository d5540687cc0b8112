//! The configuration of messenger providers (SPEC 13).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Messenger providers, and what happens to messages whose outcome stays unknown.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MessengerSection {
    /// What happens to a notification when it is unknown whether a provider has it, and the provider cannot be asked.
    pub(crate) unknown_document_arrived: Unknown,
    /// The same for links that a person requested, and for notices about a PIN.
    pub(crate) unknown_personal: Unknown,
    /// Several at once share the messages by their weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) providers: Vec<ProviderSection>,
}

/// What happens to a message whose outcome is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unknown {
    /// It is sent again: the person may get it twice.
    #[default]
    AtLeastOnce,
    /// It is not sent again: the person may not get it.
    AtMostOnce,
}

/// A provider.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderSection {
    /// Its name: in templates, in the operator's views, and in the address for its reports.
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
    /// Its share of the messages, relative to the others.
    #[serde(default = "one")]
    pub(crate) weight: f64,
    /// Maximum number of notifications a second, of all nodes together.
    pub(crate) rate_per_second: Option<f64>,
    /// The same for links that a person requested, and notices about a PIN.
    pub(crate) personal_rate_per_second: Option<f64>,
    /// The file with the secret, private to the process's user.
    pub(crate) secret_file: Option<PathBuf>,
    /// The file with the secret that its pushed reports carry.
    pub(crate) push_secret_file: Option<PathBuf>,
    /// Its address; needed by `http` and `smtp`, and otherwise that of its public API.
    pub(crate) url: Option<String>,
    /// Timeout of one call.
    #[serde(default = "ten")]
    pub(crate) timeout_seconds: u64,
    /// Calls at the same time.
    pub(crate) concurrent_calls: Option<usize>,
    /// `http`: an array of up to 1,000 messages in each call.
    #[serde(default)]
    pub(crate) batch: bool,
    /// `http`: the bridge sends an SMS or LMS to whom it cannot reach, if the template has a fallback.
    #[serde(default)]
    pub(crate) falls_back: bool,
    /// `http`: what it is given.
    #[serde(default)]
    pub(crate) sends: SendsSetting,
    /// `nhn`: the application's key.
    pub(crate) app_key: Option<String>,
    /// `solapi`: the API key.
    pub(crate) api_key: Option<String>,
    /// `sens`: the access key.
    pub(crate) access_key: Option<String>,
    /// `sens`: the service.
    pub(crate) service_id: Option<String>,
    /// `aligo`: the user. `smtp`: the user, where the server asks for one.
    pub(crate) user_id: Option<String>,
    /// `bizppurio`: the account.
    pub(crate) account: Option<String>,
    /// The sender channel, unless a template has its own.
    pub(crate) sender_key: Option<String>,
    /// `solapi`, `aligo`, `bizppurio`: the sending number. `smtp`: the sender's e-mail address, with a name or without.
    pub(crate) from: Option<String>,
}

fn one() -> f64 {
    1.0
}

fn ten() -> u64 {
    10
}

/// What a provider is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SendsSetting {
    /// Messages.
    #[default]
    Messages,
    /// SMS and LMS alone, instead of messages that did not arrive through a provider that sends none itself.
    Fallbacks,
}

/// The kind of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProviderKind {
    Simulator,
    Http,
    Nhn,
    Solapi,
    Sens,
    Aligo,
    Bizppurio,
    Smtp,
}

impl ProviderKind {
    /// The name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simulator => "simulator",
            Self::Http => "http",
            Self::Nhn => "nhn",
            Self::Solapi => "solapi",
            Self::Sens => "sens",
            Self::Aligo => "aligo",
            Self::Bizppurio => "bizppurio",
            Self::Smtp => "smtp",
        }
    }

    /// The address of its public API.
    pub(crate) fn public_url(self) -> Option<&'static str> {
        match self {
            Self::Simulator | Self::Http | Self::Smtp => None,
            Self::Nhn => Some("https://kakaotalk-bizmessage.api.nhncloudservice.com"),
            Self::Solapi => Some("https://api.solapi.com"),
            Self::Sens => Some("https://sens.apigw.ntruss.com"),
            Self::Aligo => Some("https://kakaoapi.aligo.in"),
            Self::Bizppurio => Some("https://api.bizppurio.com"),
        }
    }
}
