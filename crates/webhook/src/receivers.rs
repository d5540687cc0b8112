//! Receivers that others registered: any number of them, over one client whose connections go to guarded addresses only.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::Webhook;

use crate::guard::{AddressGuard, RefusedAddress};
use crate::{Answer, CONNECT_TIME, NoAnswer, SetupError, retry_after};

/// Posts to receivers that others registered. Clones share its connections.
#[derive(Clone)]
pub struct Receivers {
    client: reqwest::Client,
    guard: AddressGuard,
}

impl Receivers {
    /// Receivers at addresses that `guard` allows. `authority` is a certificate authority in PEM, besides the system's.
    /// One call may take `timeout` in all.
    pub fn new(guard: AddressGuard, authority: Option<&[u8]>, timeout: Duration) -> Result<Self, SetupError> {
        let mut builder = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIME)
            // A redirect would lead past the guard.
            .redirect(reqwest::redirect::Policy::none())
            .https_only(true)
            // A proxy would resolve the name itself.
            .no_proxy()
            .pool_max_idle_per_host(2)
            .dns_resolver(std::sync::Arc::new(guard.clone()));
        if let Some(pem) = authority {
            let authority = reqwest::Certificate::from_pem(pem).map_err(|_| SetupError::Client)?;
            builder = builder.tls_certs_merge([authority]);
        }
        Ok(Self { client: builder.build().map_err(|_| SetupError::Client)?, guard })
    }

    /// Checks what a URL says, as before every call.
    pub fn check(&self, url: &str) -> Result<(), RefusedAddress> {
        self.guard.check(url).map(drop)
    }

    /// Posts a JSON body under an id, which is the same on every retry, signed with each of `secrets`. The answer's body is
    /// not read.
    pub async fn post(
        &self,
        url: &str,
        secrets: &[SecretString],
        id: &str,
        body: Vec<u8>,
    ) -> Result<Answer, NoAnswer> {
        // The address was taken under the rules of its time, and these may be others.
        let url = self.guard.check(url).map_err(|_| NoAnswer::NotSent)?;
        // The signature's time guards the transport, so it is the real one, not a sandbox's.
        let timestamp = jiff::Timestamp::now().as_second();
        let sign = |secret: &SecretString| {
            let webhook = Webhook::new(secret.expose_secret()).map_err(|_| NoAnswer::Unsigned)?;
            webhook.sign(id, timestamp, &body).map_err(|_| NoAnswer::Unsigned)
        };
        let signatures = secrets.iter().map(sign).collect::<Result<Vec<_>, _>>()?.join(" ");
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signatures)
            .body(body);
        match request.send().await {
            Ok(response) => {
                Ok(Answer { status: response.status(), retry_after: retry_after(response.headers()) })
            }
            Err(error) => {
                let is_unsent = error.is_connect() || error.is_builder();
                tracing::debug!(error = %error.without_url(), "no answer to a webhook");
                Err(if is_unsent { NoAnswer::NotSent } else { NoAnswer::Lost })
            }
        }
    }
}
