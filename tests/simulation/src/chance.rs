//! The only source of randomness: everything random in a run comes from its seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use seoham_model::{ContractUuid, InstitutionId, ParcelId, UnixSeconds};
use seoham_vault::TokenHash;

pub(crate) struct Chance(StdRng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// True with a probability of `times` in 1,000.
    pub(crate) fn permille(&mut self, times: u32) -> bool {
        self.0.random_range(0..1_000) < times
    }

    pub(crate) fn percent(&mut self, times: u32) -> bool {
        self.permille(times * 10)
    }

    /// From 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())]) }
    }

    /// Usually one of the last `window`; otherwise any.
    pub(crate) fn recent(&mut self, count: usize, window: usize) -> Option<usize> {
        if count == 0 {
            return None;
        }
        let from = if self.percent(75) { count.saturating_sub(window) } else { 0 };
        Some(from + self.below(count - from))
    }

    /// Removes a random element, without keeping the order.
    pub(crate) fn take<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        if from.is_empty() { None } else { Some(from.swap_remove(self.below(from.len()))) }
    }

    pub(crate) fn token(&mut self) -> TokenHash {
        TokenHash(self.0.random())
    }

    pub(crate) fn parcel(&mut self, now: UnixSeconds) -> ParcelId {
        let mut bytes = self.id(*ParcelId::first_at(millis(now)).as_bytes());
        // Its documents' positions are there.
        bytes[15] &= 0x80;
        ParcelId::from_bytes(bytes)
    }

    pub(crate) fn institution(&mut self, now: UnixSeconds) -> InstitutionId {
        InstitutionId::from_bytes(self.id(*InstitutionId::first_at(millis(now)).as_bytes()))
    }

    pub(crate) fn contract(&mut self, now: UnixSeconds) -> ContractUuid {
        ContractUuid::from_bytes(self.id(*ContractUuid::first_at(millis(now)).as_bytes()))
    }

    /// Randomises the bits other than the time, the version and the variant.
    fn id(&mut self, mut bytes: [u8; 16]) -> [u8; 16] {
        let random: [u8; 16] = self.0.random();
        bytes[6] |= random[6] & 0x0f;
        bytes[7] = random[7];
        bytes[8] |= random[8] & 0x3f;
        bytes[9..].copy_from_slice(&random[9..]);
        bytes
    }
}

fn millis(now: UnixSeconds) -> u64 {
    u64::try_from(now.0).unwrap_or(0) * 1000
}
