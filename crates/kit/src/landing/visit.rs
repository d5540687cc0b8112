//! One verified visit of one document.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use seoham_model::BinderId;

use super::platform::Verified;
use crate::exchange::{PendingRead, VisitId};

/// SHA-256 of a secret that only has to be recognized.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(secret: &str) -> Self {
        let hash = digest(&SHA256, secret.as_bytes());
        Self(hash.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

pub(super) struct Visit {
    pub(super) id: VisitId,
    pub(super) document: BinderId,
    /// The token that was verified, so that a reload of its address is known again.
    pub(super) token: Fingerprint,
    /// What the address said, which nobody confirmed.
    pub(super) unverified_external: Option<String>,
    pub(super) verified: Verified,
    pub(super) since: Instant,
    /// The page has not been shown yet.
    owed: AtomicBool,
}

impl Visit {
    pub(super) fn new(
        id: VisitId,
        document: BinderId,
        token: &str,
        external: Option<String>,
        verified: Verified,
    ) -> Self {
        Self {
            id,
            document,
            token: Fingerprint::of(token),
            unverified_external: external,
            verified,
            since: Instant::now(),
            owed: AtomicBool::new(true),
        }
    }

    pub(super) fn is_of(&self, document: &str) -> bool {
        BinderId::parse(document) == Some(self.document)
    }

    pub(super) fn is_owed(&self) -> bool {
        self.owed.load(Ordering::Acquire)
    }

    /// The page was shown; `false` if it had been before.
    pub(super) fn settle(&self) -> bool {
        self.owed.swap(false, Ordering::AcqRel)
    }

    pub(super) fn pending(&self) -> PendingRead {
        PendingRead { document: self.document, visit: self.id.clone() }
    }
}
