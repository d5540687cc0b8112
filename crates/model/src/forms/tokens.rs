//! An access token, and what changes of it (SPEC 2).

use serde::Deserialize;

use super::{Raw, form, names_null};
use crate::bulk::MalformedRequest;
use crate::clock::UnixSeconds;
use crate::document::{Checker, StringRule};
use crate::network::Networks;
use crate::violation::Rule;

/// A new token of an institution, an operator or an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What it is for, 1 to 40 characters.
    pub label: String,
    /// From when on it is no longer valid.
    pub expires_at: Option<UnixSeconds>,
    /// From where it may be used; from anywhere without them.
    pub allowed_networks: Option<Networks>,
}

/// `{"label", "expires_at"?, "allowed_networks"?}` of a token; it must expire in the future.
pub fn token(body: &[u8], now: UnixSeconds) -> Result<NewToken, MalformedRequest> {
    let change = |checker: &mut Checker, form: TokenForm<'_>| {
        let TokenChange { label, expires_at, allowed_networks } = form.read(checker, now);
        let label = match label {
            Some(label) => label,
            None => checker.required("label", None, LABEL)?,
        };
        let (expires_at, allowed_networks) = (expires_at.flatten(), allowed_networks.flatten());
        Some(NewToken { label, expires_at, allowed_networks })
    };
    form(body, change)
}

const LABEL: StringRule = StringRule::characters(1, 40);

/// What changes of a token; an absent member stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenChange {
    /// What it is for.
    pub label: Option<String>,
    /// From when on it is no longer valid; `Some(None)` for never.
    pub expires_at: Option<Option<UnixSeconds>>,
    /// From where it may be used; `Some(None)` for anywhere.
    pub allowed_networks: Option<Option<Networks>>,
}

/// `{"label"?, "expires_at"?, "allowed_networks"?}` of a token; an end or networks that are `null` are removed.
pub fn token_change(body: &[u8], now: UnixSeconds) -> Result<TokenChange, MalformedRequest> {
    let (no_end, anywhere) = (names_null(body, "expires_at"), names_null(body, "allowed_networks"));
    form(body, |checker, form: TokenForm<'_>| {
        let mut change = form.read(checker, now);
        if no_end {
            change.expires_at = Some(None);
        }
        if anywhere {
            change.allowed_networks = Some(None);
        }
        Some(change)
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenForm<'a> {
    #[serde(borrow)]
    label: Raw<'a>,
    #[serde(borrow)]
    expires_at: Raw<'a>,
    #[serde(borrow)]
    allowed_networks: Raw<'a>,
}

impl TokenForm<'_> {
    fn read(&self, checker: &mut Checker, now: UnixSeconds) -> TokenChange {
        let label = checker.optional("label", self.label, LABEL);
        let expires_at = checker.integer("expires_at", self.expires_at, 0, 9_999_999_999).map(UnixSeconds);
        if expires_at.is_some_and(|at| at <= now) {
            checker.report("expires_at", Rule::PastDeadline);
        }
        let mut texts = Vec::new();
        checker.strings("allowed_networks", self.allowed_networks, |text| {
            texts.push(text.to_owned());
            Ok(())
        });
        let networks = Networks::parse(texts.iter().map(String::as_str));
        if self.allowed_networks.is_some() && networks.is_none() {
            checker.report("allowed_networks", Rule::Networks);
        }
        TokenChange { label, expires_at: expires_at.map(Some), allowed_networks: networks.map(Some) }
    }
}
