//! The token that a provider's calls carry, kept until it grows old.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use seoham_delivery::Trouble;
use tokio::sync::Mutex;

/// A token holds for a day.
const AGE_MAX: Duration = Duration::from_hours(20);

/// A cached token. Of several callers one asks for it, and the others wait.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<Option<(SecretString, Instant)>>);

impl TokenCache {
    /// The token, asked for by `create` if there is none.
    pub(crate) async fn get(
        &self,
        create: impl Future<Output = Result<SecretString, Trouble>>,
    ) -> Result<SecretString, Trouble> {
        let mut known = self.0.lock().await;
        if let Some((token, _)) = known.as_ref().filter(|(_, since)| since.elapsed() < AGE_MAX) {
            return Ok(token.clone());
        }
        let token = create.await?;
        *known = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    /// The provider does not take the token any more: the next call asks for a new one.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
