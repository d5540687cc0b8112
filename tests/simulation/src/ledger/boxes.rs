//! Opening, verifying and reading.

use seoham_model::UnixSeconds;
use seoham_model::status::TOKEN_LIFETIME_SECONDS;
use seoham_store::boxes::OpenVerdict;
use seoham_store::documents::{ReadVerdict, TokenVerdict, WithdrawVerdict};
use seoham_vault::TokenHash;

use super::{Document, Known, Ledger, Token};
use crate::{Found, demand};

/// A presented token, and the institution that presented it.
#[derive(Clone, Copy)]
pub(crate) struct PresentedToken {
    pub(crate) token: usize,
    pub(crate) document: usize,
    pub(crate) institution: usize,
}

impl Ledger {
    /// Whether the document may be unknown to this institution.
    fn need_not_be_there(&self, institution: usize, no: usize) -> bool {
        let document = &self.documents[no];
        let there = self.there(no) == Known::Yes && !document.gone && !document.may_be_gone;
        document.institution != institution || !there
    }

    /// A document was opened with a new token.
    pub(crate) fn opened(
        &mut self,
        institution: usize,
        no: usize,
        hash: TokenHash,
        verdict: &OpenVerdict,
        now: UnixSeconds,
    ) -> Found<()> {
        let unknown = *verdict == OpenVerdict::Unknown;
        let id = self.documents[no].id;
        if self.documents[no].institution != institution {
            demand!(unknown, "{id} opened for a stranger: {verdict:?}");
            return Ok(());
        }
        if unknown {
            demand!(self.need_not_be_there(institution, no), "{id} is unknown to its own institution");
            return self.is_missing(no);
        }
        self.appeared(no)?;
        let document = &mut self.documents[no];
        let person = &self.people[document.person];
        let boxed = document.must_be_received || person.joined.is_some() || person.later;
        let open = document.is_open_at(now);
        match verdict {
            OpenVerdict::Opened { external_document_uuid, token_expires_at, .. } => {
                demand!(open, "{id} opened after its deadline");
                demand!(boxed, "{id} was opened by one who never joined");
                demand!(external_document_uuid.as_ref() == Some(&document.external), "{id}: external id");
                let right = *token_expires_at == now.plus(TOKEN_LIFETIME_SECONDS).min(document.deadline_at);
                demand!(right, "{id}: its token expires at {token_expires_at}");
                document.authenticated.happened(now);
                let expires_at = Some(*token_expires_at);
                let (issued, used) = (Known::Yes, Known::No);
                self.tokens.push(Token { hash, document: no, issued, issued_at: now, expires_at, used });
            }
            OpenVerdict::Expired => {
                demand!(!open && document.withdrawn_at.is_none(), "{id} does not open any more");
            }
            OpenVerdict::Withdrawn => demand!(document.withdrawn_at.is_some(), "{id} was never withdrawn"),
            OpenVerdict::NotInBox | OpenVerdict::Unknown => {
                demand!(open && !document.must_be_received, "{id} stands in the box and is not found in it");
            }
        }
        Ok(())
    }

    /// A document may have been opened; the reply was lost.
    pub(crate) fn perhaps_opened(
        &mut self,
        institution: usize,
        no: usize,
        hash: TokenHash,
        now: UnixSeconds,
    ) {
        let document = &mut self.documents[no];
        if document.institution != institution {
            return;
        }
        document.authenticated.may_have_happened(now);
        let (issued, used) = (Known::Unsure, Known::No);
        self.tokens.push(Token { hash, document: no, issued, issued_at: now, expires_at: None, used });
    }

    /// Records the result of a token verification.
    pub(crate) fn verified(
        &mut self,
        shown: PresentedToken,
        verdict: &TokenVerdict,
        now: UnixSeconds,
    ) -> Found<()> {
        let PresentedToken { token, document, institution } = shown;
        let nobodys = self.need_not_be_there(institution, document);
        let token = &mut self.tokens[token];
        let over = token.expires_at.unwrap_or(token.issued_at.plus(TOKEN_LIFETIME_SECONDS)) <= now;
        let its_own = token.document == document && self.documents[document].institution == institution;
        let id = self.documents[document].id;
        if *verdict == TokenVerdict::Unknown {
            let none = !its_own || nobodys || token.issued != Known::Yes;
            demand!(none, "a token of {id} is unknown");
            if its_own && !nobodys {
                token.issued = Known::No;
            }
            return Ok(());
        }
        demand!(its_own && token.issued != Known::No, "a token of nobody was known as {id}'s: {verdict:?}");
        token.issued = Known::Yes;
        match verdict {
            TokenVerdict::Verified { token_expires_at, token_used_at, status } => {
                demand!(token.used != Known::Yes, "a token of {id} was verified twice");
                demand!(!over, "a token of {id} was verified after it had expired");
                let expires_at = *token.expires_at.get_or_insert(*token_expires_at);
                demand!(expires_at == *token_expires_at && now < expires_at, "{id}: a token's expiry");
                demand!(*token_used_at == now, "{id}: token used at {token_used_at}");
                token.used = Known::Yes;
                let document_ = &mut self.documents[document];
                demand!(document_.is_open_at(now), "a token of {id} was verified after its deadline");
                // The store reports this for a token that it issued, so the opening took place.
                document_.token_used.happened(now);
                self.observe(document, Some(status), now)
            }
            TokenVerdict::Withdrawn => {
                demand!(false, "{id} has a token, and was withdrawn");
                Ok(())
            }
            TokenVerdict::Used => {
                demand!(token.used != Known::No, "a token of {id} was never used, and is said to be");
                token.used = Known::Yes;
                Ok(())
            }
            TokenVerdict::Expired | TokenVerdict::Unknown => {
                // A token from an opening without a reply may expire at the deadline.
                let unsure = token.expires_at.is_none() && !self.documents[document].is_open_at(now);
                demand!(over || unsure, "a token of {id} expired too early");
                demand!(token.used != Known::Yes, "a used token of {id} is said to have expired");
                token.used = Known::No;
                Ok(())
            }
        }
    }

    /// A token may have been verified; the reply was lost.
    pub(crate) fn perhaps_verified(&mut self, shown: PresentedToken, now: UnixSeconds) {
        let PresentedToken { token, document, institution } = shown;
        let token = &mut self.tokens[token];
        let its_own = token.document == document && self.documents[document].institution == institution;
        let over = token.expires_at.is_some_and(|expires_at| expires_at <= now);
        if its_own && !over && token.used != Known::Yes && token.issued != Known::No {
            token.used = Known::Unsure;
            self.documents[document].token_used.may_have_happened(now);
        }
    }

    /// Records the result of a read report.
    pub(crate) fn was_read(
        &mut self,
        institution: usize,
        no: usize,
        verdict: ReadVerdict,
        now: UnixSeconds,
    ) -> Found<()> {
        let id = self.documents[no].id;
        if verdict == ReadVerdict::Unknown {
            demand!(self.need_not_be_there(institution, no), "{id} is unknown to its own institution");
            return Ok(());
        }
        demand!(self.documents[no].institution == institution, "{id}: a stranger reports it as read");
        self.appeared(no)?;
        let Document { token_used, read, .. } = &mut self.documents[no];
        if verdict == ReadVerdict::Read {
            demand!(token_used.is_possible(), "{id} counts as read without a verified token");
            read.happened(now);
        } else {
            demand!(!token_used.is_certain(), "{id}: its verified token is forgotten");
        }
        Ok(())
    }

    /// Records the result of a withdrawal.
    pub(crate) fn withdrawn(
        &mut self,
        institution: usize,
        no: usize,
        verdict: WithdrawVerdict,
        now: UnixSeconds,
    ) -> Found<()> {
        let id = self.documents[no].id;
        if verdict == WithdrawVerdict::Unknown {
            demand!(self.need_not_be_there(institution, no), "{id} is unknown to its own institution");
            return if self.documents[no].institution == institution { self.is_missing(no) } else { Ok(()) };
        }
        demand!(self.documents[no].institution == institution, "{id} was withdrawn by a stranger");
        self.appeared(no)?;
        let document = &mut self.documents[no];
        if verdict == WithdrawVerdict::Opened {
            demand!(document.authenticated.is_possible(), "{id} was never opened, and is said to be");
            return Ok(());
        }
        document.withdrawn_at.get_or_insert(now);
        // An opening without a reply did not take place.
        document.authenticated.observe("authenticated_at", None)
    }

    /// A read may have been reported; the reply was lost.
    pub(crate) fn was_perhaps_read(&mut self, institution: usize, no: usize, now: UnixSeconds) {
        let document = &mut self.documents[no];
        if document.institution == institution && document.token_used.is_possible() {
            document.read.may_have_happened(now);
        }
    }
}
