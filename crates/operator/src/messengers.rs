//! The port to the messenger providers of this process: what an operator tries and checks.

use async_trait::async_trait;
use seoham_model::Text;
use seoham_model::message::MessageTemplate;
use seoham_model::person::Addresses;

/// A configured provider.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfiguredProvider {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// Its weight, when it is healthy.
    pub weight: f64,
}

/// A provider's answer to a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestAnswer {
    /// The provider.
    pub provider: String,
    /// `taken`, `refused`, `retry`, `misconfigured`, `unknown` or `no_template`.
    pub outcome: &'static str,
    /// What it said, without personal values.
    pub said: Option<String>,
}

/// What was found about a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFinding {
    /// The provider that it is about, if it is about one.
    pub provider: Option<String>,
    /// Messages by this template are not sent, or refused.
    pub is_fault: bool,
    /// What was found.
    pub text: Text,
}

/// The messenger providers of this process.
#[async_trait]
pub trait Messengers: Send + Sync {
    /// The configured providers.
    fn providers(&self) -> Vec<ConfiguredProvider>;

    /// Sends a test message through each of them, or through the named one alone.
    async fn test(&self, to: Addresses, provider: Option<&str>) -> Vec<TestAnswer>;

    /// Checks a template with the longest values, and against what the providers approved.
    async fn check(&self, template: &MessageTemplate) -> Vec<TemplateFinding>;
}
