//! Links to sign in by, handed to the messenger beside the request that asked for them.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use seoham_delivery::{Notifier, Sent, login_link};
use seoham_inbox::LoginLinks;
use tokio::sync::mpsc;

/// Links that may wait; whoever asked for one beyond it asks again.
const WAITING_MAX: usize = 1_000;
/// How often one is tried; its ten minutes pass meanwhile.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct LinkSender {
    waiting: mpsc::Sender<(SecretString, SecretString)>,
}

impl LinkSender {
    /// Starts sending on the present runtime.
    pub(super) fn start(notifier: Arc<dyn Notifier>, box_url: String) -> Self {
        let (waiting, mut arrived) = mpsc::channel::<(SecretString, SecretString)>(WAITING_MAX);
        tokio::spawn(async move {
            while let Some((phone_number, token)) = arrived.recv().await {
                let message = login_link(phone_number, &box_url, &token);
                for left in (0..TRIES).rev() {
                    match notifier.send(&message).await {
                        Sent::NotNow { .. } if left > 0 => tokio::time::sleep(PAUSE).await,
                        Sent::NotNow { .. } => {
                            tracing::warn!("a link to sign in by was not taken by the messenger");
                        }
                        Sent::Taken | Sent::Refused => break,
                    }
                }
            }
        });
        Self { waiting }
    }
}

impl LoginLinks for LinkSender {
    fn send(&self, phone_number: SecretString, token: SecretString) {
        if self.waiting.try_send((phone_number, token)).is_err() {
            tracing::warn!("too many links to sign in by are waiting");
        }
    }
}
