//! One verified visit of one document.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use seoham_model::BinderId;

use super::platform::Verified;
use crate::exchange::{PendingRead, VisitId};

/// The SHA-256 of a secret that only needs to be recognised.
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
    /// The verified token, which identifies a reload of its address.
    pub(super) token: Fingerprint,
    /// The external id from the address, which is unverified.
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

    /// Marks the page as shown; returns `false` if it was already.
    pub(super) fn settle(&self) -> bool {
        self.owed.swap(false, Ordering::AcqRel)
    }

    pub(super) fn pending(&self) -> PendingRead {
        PendingRead { document: self.document, visit: self.id.clone() }
    }
}
