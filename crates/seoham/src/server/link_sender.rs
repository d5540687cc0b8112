//! Links to sign in by, handed to the messenger beside the request that asked for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use seoham_delivery::{Notifier, Sent, login_link};
use seoham_inbox::LoginLinks;
use tokio::sync::mpsc;

/// Links that may wait; whoever asked for one beyond it asks again.
const WAITING_MAX: usize = 1_000;
/// Links that are being sent at once.
const AT_ONCE: usize = 32;
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
        let sending = futures_util::stream::poll_fn(move |context| arrived.poll_recv(context));
        // Several at once: one that is not taken must not hold up the others.
        let sending = sending.for_each_concurrent(AT_ONCE, move |(phone_number, token)| {
            let (notifier, box_url) = (Arc::clone(&notifier), box_url.clone());
            async move {
                let message = login_link(phone_number, &box_url, &token);
                for left in (0..TRIES).rev() {
                    match notifier.send(&message).await {
                        Sent::NotNow { .. } if left > 0 => tokio::time::sleep(PAUSE).await,
                        Sent::NotNow { .. } => {
                            tracing::warn!("a link to sign in by was not taken by the messenger");
                        }
                        Sent::Taken | Sent::Refused(_) => break,
                    }
                }
            }
        });
        tokio::spawn(sending);
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
