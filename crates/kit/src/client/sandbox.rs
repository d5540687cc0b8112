//! The calls of a sandbox (SPEC 12), for an institution's own tests.

use seoham_model::UnixSeconds;
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::{read, segment, with_json};
use super::transport::Answer;
use super::{CallError, Client};
use crate::exchange::Call;

/// The sandbox of a client's platform.
pub struct Sandbox<'a>(&'a Client);

impl Client {
    /// The calls that only a sandbox supports; elsewhere they are refused with 404.
    pub fn sandbox(&self) -> Sandbox<'_> {
        Sandbox(self)
    }
}

impl Sandbox<'_> {
    /// The recipient authenticates and opens; returns the redirect address, with a token.
    pub async fn open(&self, binder: &str) -> Result<String, CallError> {
        #[derive(Deserialize)]
        struct Reply {
            redirect_url: String,
        }
        let answer = self.post(&format!("documents/{}/open", segment(binder)), &Value::Null).await?;
        read::<Reply>(&answer).map(|reply| reply.redirect_url)
    }

    /// The messenger's report arrives now.
    pub async fn notified(&self, binder: &str) -> Result<(), CallError> {
        self.post(&format!("documents/{}/notified", segment(binder)), &Value::Null).await.map(drop)
    }

    /// Another person to send to.
    pub async fn add_person(
        &self,
        phone_number: &str,
        name: &str,
        birthday: &str,
        member: bool,
    ) -> Result<(), CallError> {
        let person = json!({
            "phone_number": phone_number, "name": name, "birthday": birthday, "member": member,
        });
        self.post("people", &person).await.map(drop)
    }

    /// The person joins the box.
    pub async fn join(&self, phone_number: &str) -> Result<(), CallError> {
        self.person("join", phone_number).await
    }

    /// The person refuses this institution.
    pub async fn refuse(&self, phone_number: &str) -> Result<(), CallError> {
        self.person("refuse", phone_number).await
    }

    /// The person accepts this institution again.
    pub async fn accept(&self, phone_number: &str) -> Result<(), CallError> {
        self.person("accept", phone_number).await
    }

    /// Advances the platform's clock and returns its time. 0 only queries it.
    pub async fn advance_clock(&self, seconds: u32) -> Result<UnixSeconds, CallError> {
        #[derive(Deserialize)]
        struct Reply {
            now: UnixSeconds,
        }
        let answer = self.post("clock", &json!({ "advance_seconds": seconds })).await?;
        read::<Reply>(&answer).map(|reply| reply.now)
    }

    async fn person(&self, what: &str, phone_number: &str) -> Result<(), CallError> {
        self.post(&format!("people/{what}"), &json!({ "phone_number": phone_number })).await.map(drop)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer, CallError> {
        let Self(client) = self;
        let request = client.transport.post(&format!("{}/sandbox/v1/{path}", client.api));
        client.call(with_json(request, body.to_string()), Call::SANDBOX).await
    }
}
