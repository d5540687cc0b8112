//! The ids of the contract: a prefix and 32 lower-case hex digits of a `UUIDv7`, which contains the creation
//! time, so that rows are stored in creation order.

use std::fmt;

use uuid::{NoContext, Timestamp, Uuid};

use crate::clock::Clock;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id!($(#[$doc])* $name, $prefix, 0);
    };
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $free_bits:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of ids of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// A new id with the time of `clock`.
            pub fn generate(clock: &Clock) -> Self {
                Self(Uuid::from_u128(new_uuid(clock).as_u128() & !$free_bits))
            }

            /// Parses the form that [`fmt::Display`] writes; anything else is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                parse_hex(text.strip_prefix(Self::PREFIX)?).map(Self)
            }

            /// The lowest id with the time `unix_millis`: a bound for time ranges.
            pub fn first_at(unix_millis: u64) -> Self {
                // 48 bits of time, then version 7 and the variant, then zeros.
                let bits = u128::from(unix_millis & 0xffff_ffff_ffff) << 80 | 0x7000_8000_0000_0000_0000;
                Self(Uuid::from_u128(bits))
            }

            /// The creation time of the id, in Unix milliseconds.
            pub fn unix_millis(&self) -> u64 {
                let bits = self.0.as_u128() >> 80;
                u64::try_from(bits).unwrap_or(u64::MAX)
            }

            /// The id's 16 bytes, the stored form.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id of these stored bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Self::PREFIX)?;
                f.write_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id!(
    /// A stored document, `BIN-…` (SPEC 5).
    BinderId,
    "BIN-"
);
id!(
    /// One product bought by one institution, `CON-…` (SPEC 2).
    ContractUuid,
    "CON-"
);
id!(
    /// An institution, `INS-…` (SPEC 11).
    InstitutionId,
    "INS-"
);
id!(
    /// An access token's public name, `TOK-…`; never the token itself (SPEC 11).
    AccessTokenId,
    "TOK-"
);
id!(
    /// An action of an operator or an agency, `ACT-…` (SPEC 11).
    ActionId,
    "ACT-"
);
id!(
    /// An agency (대행사), `AGC-…` (SPEC 11).
    AgencyId,
    "AGC-"
);
id!(
    /// A named operator, `OPR-…` (SPEC 11).
    OperatorId,
    "OPR-"
);
id!(
    /// A volume that an institution announces, `VPL-…` (SPEC 9).
    PlanId,
    "VPL-"
);
id!(
    /// A webhook of an institution, `WHK-…` (SPEC 15).
    WebhookId,
    "WHK-"
);
id!(
    /// A person, `PER-…`; never visible outside the platform.
    PersonId,
    "PER-"
);

id!(
    /// The accepted documents of one request, `PAR-…`; never visible outside the platform (DESIGN 3).
    ///
    /// Its lowest seven bits are zero: a document's id has its position there.
    ParcelId,
    "PAR-",
    POSITION_BITS
);

id!(
    /// A block of the index from person to documents, or a run of them, `BLK-…`; never visible outside the platform
    /// (DESIGN 3).
    BlockId,
    "BLK-"
);

/// The bits of a document's id that are its position in its parcel.
const POSITION_BITS: u128 = 0x7f;

impl ParcelId {
    /// The lowest id behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_add(POSITION_BITS + 1)))
    }

    /// The document at `position`.
    ///
    /// # Panics
    ///
    /// At 128 and beyond, which no parcel has.
    pub fn document(self, position: u8) -> BinderId {
        assert!(u128::from(position) <= POSITION_BITS, "a parcel has at most 128 positions");
        BinderId(Uuid::from_u128(self.0.as_u128() | u128::from(position)))
    }
}

impl BinderId {
    /// The parcel that the document is in.
    pub fn parcel(self) -> ParcelId {
        ParcelId(Uuid::from_u128(self.0.as_u128() & !POSITION_BITS))
    }

    /// Its position in the parcel.
    pub fn position(self) -> u8 {
        u8::try_from(self.0.as_u128() & POSITION_BITS).expect("seven bits")
    }
}

fn new_uuid(clock: &Clock) -> Uuid {
    let millis = u64::try_from(clock.now_millis()).unwrap_or(0);
    let nanos = u32::try_from((millis % 1000) * 1_000_000).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, millis / 1000, nanos))
}

fn parse_hex(digits: &str) -> Option<Uuid> {
    let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.len() == 32 && digits.bytes().all(lower_hex) { Uuid::try_parse(digits).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_fits_the_contract() {
        let id = BinderId::generate(&Clock::default());
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(BinderId::parse(&text), Some(id));
    }

    #[test]
    fn an_id_carries_its_time() {
        let clock = Clock::stopped_at(crate::UnixSeconds(1_795_359_600));
        let id = BinderId::generate(&clock);
        assert_eq!(id.unix_millis(), 1_795_359_600_000);
        assert!(BinderId::first_at(1_795_359_600_000) <= id && id < BinderId::first_at(1_795_359_600_001));
    }

    #[test]
    fn a_document_is_a_position_in_its_parcel() {
        let parcel = ParcelId::generate(&Clock::default());
        for position in [0, 1, 99, 127] {
            let document = parcel.document(position);
            assert_eq!((document.parcel(), document.position()), (parcel, position));
            assert_eq!(document.unix_millis(), parcel.unix_millis());
        }
        assert!(parcel.document(1) < parcel.document(2));
    }

    #[test]
    fn only_the_exact_form_is_read() {
        for bad in [
            "",
            "BIN-",
            "BIN-0",
            "CON-00000000000000000000000000000000",
            "BIN-0000000000000000000000000000000G",
            "BIN-ABCDEFABCDEFABCDEFABCDEFABCDEFAB",
            "BIN-00000000-0000-0000-0000-00000000",
        ] {
            assert_eq!(BinderId::parse(bad), None, "{bad}");
        }
    }
}
