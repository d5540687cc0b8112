//! Whose access tokens they are that were presented lately, so that a flood of bulk requests is refused
//! without asking the store about each of them. Nothing is ever granted by it.

use quick_cache::sync::Cache;
use seoham_model::InstitutionId;
use seoham_vault::TokenHash;

/// Tokens that are known at most.
const TOKENS_MAX: usize = 1_000;

pub(super) struct KnownTokens(Cache<TokenHash, InstitutionId>);

impl Default for KnownTokens {
    fn default() -> Self {
        Self(Cache::new(TOKENS_MAX))
    }
}

impl KnownTokens {
    /// Whose it was when it was last presented.
    pub(super) fn institution_of(&self, token: &TokenHash) -> Option<InstitutionId> {
        self.0.get(token)
    }

    /// What the store said of it just now.
    pub(super) fn learn(&self, token: TokenHash, institution: Option<InstitutionId>) {
        match institution {
            Some(institution) if self.0.peek(&token) != Some(institution) => {
                self.0.insert(token, institution)
            }
            Some(_) => {}
            None => {
                self.0.remove(&token);
            }
        }
    }
}
