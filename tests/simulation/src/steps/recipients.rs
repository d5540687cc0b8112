//! Recipients open, and institutions verify tokens and report reads.

use crate::Found;
use crate::faults::Answer;
use crate::ledger::{Known, PresentedToken, Token};
use crate::world::World;
use seoham_store::boxes::Opener;

impl World<'_> {
    pub(super) async fn open(&mut self) -> Found<()> {
        let Some(document) = self.openable_document() else { return Ok(()) };
        let institution = self.asker(document);
        let hash = self.chance.token();
        let (store, now) = (self.store(), self.now());
        let (asker, id) = (self.ledger.institutions[institution].id, self.ledger.documents[document].id);
        self.touch(document);
        self.say(format!("{id} is opened"));
        match self.call("open", store.open(Opener::Institution(asker), id, hash, now)).await? {
            Answer::Given(verdict) => self.ledger.opened(institution, document, hash, &verdict, now),
            Answer::NotDone => Ok(()),
            Answer::Unknown(_) => {
                self.ledger.perhaps_opened(institution, document, hash, now);
                Ok(())
            }
        }
    }

    pub(super) async fn verify(&mut self) -> Found<()> {
        let Some(mut token) = self.chance.recent(self.ledger.tokens.len(), 4) else { return Ok(()) };
        let mut document = self.ledger.tokens[token].document;
        let odd = self.chance.below(100);
        if odd < 5 {
            // A token that was never issued.
            let (hash, issued_at) = (self.chance.token(), self.now());
            let (issued, used, expires_at) = (Known::No, Known::No, None);
            token = self.ledger.tokens.len();
            self.ledger.tokens.push(Token { hash, document, issued, issued_at, expires_at, used });
        } else if odd < 10 {
            document = self.some_document().unwrap_or(document);
        }
        let institution = self.asker(document);
        let (store, now) = (self.store(), self.now());
        let (asker, id) = (self.ledger.institutions[institution].id, self.ledger.documents[document].id);
        let hash = self.ledger.tokens[token].hash;
        let shown = PresentedToken { token, document, institution };
        self.touch(document);
        self.say(format!("a token of {id} is shown"));
        match self.call("verify_token", store.verify_token(asker, id, hash, now)).await? {
            Answer::Given(verdict) => self.ledger.verified(shown, &verdict, now),
            Answer::NotDone => Ok(()),
            Answer::Unknown(_) => {
                self.ledger.perhaps_verified(shown, now);
                Ok(())
            }
        }
    }

    /// Withdraws a document, until that is acknowledged or refused.
    pub(super) async fn withdraw(&mut self) -> Found<()> {
        let Some(document) = self.some_document() else { return Ok(()) };
        let institution = self.asker(document);
        let (store, now) = (self.store(), self.now());
        let (asker, id) = (self.ledger.institutions[institution].id, self.ledger.documents[document].id);
        self.touch(document);
        self.say(format!("{id} is withdrawn"));
        let mut unanswered = false;
        loop {
            match self.call("withdraw", store.withdraw(asker, id, now)).await? {
                Answer::Given(verdict) => return self.ledger.withdrawn(institution, document, verdict, now),
                Answer::NotDone if !unanswered => return Ok(()),
                Answer::NotDone => {}
                Answer::Unknown(_) => unanswered = true,
            }
        }
    }

    pub(super) async fn read(&mut self) -> Found<()> {
        let verified = self.ledger.tokens.iter().rev().take(12).filter(|token| token.used == Known::Yes);
        let verified: Vec<usize> = verified.map(|token| token.document).collect();
        let document = match self.chance.pick(&verified) {
            Some(document) if self.chance.percent(80) => Some(document),
            _ => self.some_document(),
        };
        let Some(document) = document else { return Ok(()) };
        let institution = self.asker(document);
        let (store, now) = (self.store(), self.now());
        let (asker, id) = (self.ledger.institutions[institution].id, self.ledger.documents[document].id);
        self.touch(document);
        self.say(format!("{id} is reported as read"));
        match self.call("mark_read", store.mark_read(asker, id, now)).await? {
            Answer::Given(verdict) => self.ledger.was_read(institution, document, verdict, now),
            Answer::NotDone => Ok(()),
            Answer::Unknown(_) => {
                self.ledger.was_perhaps_read(institution, document, now);
                Ok(())
            }
        }
    }
}
