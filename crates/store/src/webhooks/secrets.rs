//! The signing secrets of webhooks, sealed at rest (DESIGN 4).

use secrecy::{ExposeSecret, SecretString};
use seoham_model::WebhookId;
use seoham_vault::Vault;

use crate::error::AboutEntity;
use crate::sealing::row;
use crate::{Result, StoreError};

/// Seals a secret.
pub fn seal_secret(vault: &Vault, id: WebhookId, secret: &SecretString) -> Vec<u8> {
    vault.seal_shared(&row(b'W', id.as_bytes()), secret.expose_secret().as_bytes())
}

/// Opens a sealed secret.
pub fn open_secret(vault: &Vault, id: WebhookId, sealed: &[u8]) -> Result<SecretString> {
    let opened = vault.open_shared(&row(b'W', id.as_bytes()), sealed);
    let opened = opened.map_err(|error| StoreError::from(error).about(id))?;
    let text =
        std::str::from_utf8(&opened).map_err(|_| StoreError::damaged("the secret of a webhook").about(id))?;
    Ok(SecretString::from(text))
}
