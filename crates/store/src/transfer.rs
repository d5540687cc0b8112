//! The contents of a store, row by row, for moving them to another store.
//!
//! Sealed data stays sealed: the row identities that it is bound to do not change.

use seoham_vault::sha256;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of our ids: 16 bytes.
    Id,
    /// Other bytes.
    Bytes,
    /// Text.
    Text,
    /// A whole number or a time.
    Number,
    /// A number that fits 32 bits.
    Number32,
    /// A number that fits 16 bits.
    Number16,
    /// A Boolean.
    Flag,
}

/// A table that every store has in some form.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
}

/// A value in a row; a flag is the number 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Absent.
    Null,
    /// A number or a flag.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes or an id.
    Bytes(Vec<u8>),
}

/// All tables, referenced ones first.
pub const TABLES: [Table; 40] = [
    Table {
        name: "institutions",
        columns: &[
            ("institution_id", Kind::Id),
            ("name", Kind::Text),
            ("created_at", Kind::Number),
            ("agency_id", Kind::Id),
            ("contact", Kind::Text),
            ("suspended_at", Kind::Number),
            ("suspended_by", Kind::Number16),
        ],
    },
    Table {
        name: "contracts",
        columns: &[
            ("contract_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("authentication", Kind::Text),
            ("certified", Kind::Flag),
            ("notice", Kind::Text),
            ("closed_at", Kind::Number),
            ("card", Kind::Text),
        ],
    },
    Table { name: "institution_marks", columns: &[("institution_id", Kind::Id), ("picture", Kind::Bytes)] },
    Table {
        name: "access_tokens",
        columns: &[
            ("token_hash", Kind::Bytes),
            ("token_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("label", Kind::Text),
            ("expires_at", Kind::Number),
            ("revoked_at", Kind::Number),
            ("last_used_at", Kind::Number),
            ("allowed_networks", Kind::Text),
        ],
    },
    Table {
        name: "institution_templates",
        columns: &[("institution_id", Kind::Id), ("kind", Kind::Text), ("content", Kind::Text)],
    },
    Table { name: "platform_templates", columns: &[("kind", Kind::Text), ("content", Kind::Text)] },
    Table {
        name: "admins",
        columns: &[
            ("admin_id", Kind::Id),
            ("kind", Kind::Number16),
            ("name", Kind::Text),
            ("created_at", Kind::Number),
            ("closed_at", Kind::Number),
        ],
    },
    Table {
        name: "admin_tokens",
        columns: &[
            ("token_hash", Kind::Bytes),
            ("token_id", Kind::Id),
            ("admin_id", Kind::Id),
            ("label", Kind::Text),
            ("expires_at", Kind::Number),
            ("revoked_at", Kind::Number),
            ("last_used_at", Kind::Number),
            ("allowed_networks", Kind::Text),
        ],
    },
    Table {
        name: "admin_actions",
        columns: &[
            ("action_id", Kind::Id),
            ("at", Kind::Number),
            ("by_whom", Kind::Text),
            ("token", Kind::Text),
            ("from_address", Kind::Text),
            ("what", Kind::Text),
            ("on_what", Kind::Text),
            ("institution_id", Kind::Id),
            ("status", Kind::Number32),
            ("reason", Kind::Text),
        ],
    },
    Table {
        name: "daily_counts",
        columns: &[
            ("institution_id", Kind::Id),
            ("day", Kind::Number32),
            ("slot", Kind::Number16),
            ("accepted", Kind::Number),
        ],
    },
    Table {
        name: "statistics",
        columns: &[
            ("institution_id", Kind::Id),
            ("day", Kind::Number32),
            ("contract_id", Kind::Id),
            ("kind", Kind::Number16),
            ("slot", Kind::Number16),
            ("documents", Kind::Number),
        ],
    },
    Table {
        name: "volume_plans",
        columns: &[
            ("plan_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("name", Kind::Text),
            ("from_day", Kind::Number32),
            ("to_day", Kind::Number32),
            ("documents_per_day", Kind::Number),
            ("expected_tps", Kind::Number32),
            ("purpose", Kind::Text),
            ("announced_at", Kind::Number),
            ("state", Kind::Number16),
            ("decided_at", Kind::Number),
        ],
    },
    Table {
        name: "volume_alerts",
        columns: &[
            ("institution_id", Kind::Id),
            ("day", Kind::Number32),
            ("accepted", Kind::Number),
            ("expected", Kind::Number),
            ("raised_at", Kind::Number),
            ("told_at", Kind::Number),
        ],
    },
    Table {
        name: "people",
        columns: &[
            ("person_id", Kind::Id),
            ("phone_index", Kind::Bytes),
            ("phone_assigned_on", Kind::Number32),
            ("phone_changed_at", Kind::Number),
            ("ci_index", Kind::Bytes),
            ("birthday_tag", Kind::Bytes),
            ("name_tag", Kind::Bytes),
            ("wrapped_key", Kind::Bytes),
            ("sealed", Kind::Bytes),
            ("behaviour", Kind::Number16),
            ("member_since", Kind::Number),
            ("pin_hash", Kind::Text),
        ],
    },
    Table {
        name: "authentications",
        columns: &[
            ("person_id", Kind::Id),
            ("failures", Kind::Number),
            ("certificate_failures", Kind::Number),
            ("locked_until", Kind::Number),
            ("certificate_locked_until", Kind::Number),
            ("certificate_hash", Kind::Text),
            ("birthday_failures", Kind::Number),
            ("birthday_locked_until", Kind::Number),
        ],
    },
    Table { name: "feeds", columns: &[("institution_id", Kind::Id), ("last_seq", Kind::Number)] },
    Table {
        name: "ledger",
        columns: &[
            ("institution_id", Kind::Id),
            ("last_seq", Kind::Number),
            ("event_count", Kind::Number16),
            ("event_type", Kind::Number16),
            ("at", Kind::Number),
            ("parcel_id", Kind::Id),
            ("documents", Kind::Bytes),
        ],
    },
    Table {
        name: "webhooks",
        columns: &[
            ("webhook_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("url", Kind::Text),
            ("types", Kind::Text),
            ("created_at", Kind::Number),
            ("secret", Kind::Bytes),
            ("former_secret", Kind::Bytes),
            ("former_secret_until", Kind::Number),
            ("through", Kind::Number),
            ("pending_last", Kind::Number),
            ("failures", Kind::Number32),
            ("failing_since", Kind::Number),
            ("next_attempt_at", Kind::Number),
            ("disabled_why", Kind::Number16),
            ("disabled_at", Kind::Number),
        ],
    },
    Table {
        name: "webhook_attempts",
        columns: &[
            ("webhook_id", Kind::Id),
            ("attempt_no", Kind::Number),
            ("at", Kind::Number),
            ("first_seq", Kind::Number),
            ("last_seq", Kind::Number),
            ("outcome", Kind::Number32),
            ("took_millis", Kind::Number32),
        ],
    },
    Table {
        name: "expiries",
        columns: &[("due_at", Kind::Number), ("parcel_id", Kind::Id), ("told_to", Kind::Number)],
    },
    Table { name: "agreed_texts", columns: &[("text_hash", Kind::Bytes), ("text", Kind::Text)] },
    Table {
        name: "agreements",
        columns: &[("person_id", Kind::Id), ("text_hash", Kind::Bytes), ("agreed_at", Kind::Number)],
    },
    Table {
        name: "refusals",
        columns: &[("person_id", Kind::Id), ("institution_id", Kind::Id), ("refused", Kind::Flag)],
    },
    Table {
        name: "parcels",
        columns: &[
            ("parcel_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("contract_id", Kind::Id),
            ("sent_at", Kind::Number),
            ("last_deadline_at", Kind::Number),
            ("persons", Kind::Bytes),
            ("head", Kind::Bytes),
            ("texts", Kind::Bytes),
            ("parts", Kind::Bytes),
        ],
    },
    Table { name: "notices", columns: &[("parcel_id", Kind::Id), ("packed", Kind::Bytes)] },
    Table {
        name: "marks",
        columns: &[
            ("document_id", Kind::Id),
            ("person_id", Kind::Id),
            ("received_at", Kind::Number),
            ("authenticated_at", Kind::Number),
            ("token_used_at", Kind::Number),
            ("read_at", Kind::Number),
            ("opened_at", Kind::Number),
            ("withdrawn_at", Kind::Number),
        ],
    },
    Table { name: "box_pending", columns: &[("parcel_id", Kind::Id), ("persons", Kind::Bytes)] },
    Table {
        name: "box_blocks",
        columns: &[
            ("block_id", Kind::Id),
            ("run_id", Kind::Id),
            ("entry_count", Kind::Number32),
            ("first_tag", Kind::Number),
            ("last_tag", Kind::Number),
            ("first_parcel_id", Kind::Id),
            ("last_parcel_id", Kind::Id),
            ("parcels", Kind::Bytes),
            ("entries", Kind::Bytes),
        ],
    },
    Table {
        name: "one_time_tokens",
        columns: &[
            ("document_id", Kind::Id),
            ("token_hash", Kind::Bytes),
            ("expires_at", Kind::Number),
            ("used_at", Kind::Number),
        ],
    },
    Table {
        name: "deliveries",
        columns: &[
            ("institution_id", Kind::Id),
            ("parcel_id", Kind::Id),
            ("first_position", Kind::Number16),
            ("positions", Kind::Bytes),
        ],
    },
    Table {
        name: "delivery_retries",
        columns: &[
            ("institution_id", Kind::Id),
            ("document_id", Kind::Id),
            ("not_before", Kind::Number),
            ("attempts", Kind::Number32),
            ("first_attempt_at", Kind::Number),
            ("failure", Kind::Number16),
            ("said", Kind::Text),
        ],
    },
    Table {
        name: "fallback_notices",
        columns: &[("document_id", Kind::Id), ("institution_id", Kind::Id), ("begun_at", Kind::Number)],
    },
    Table {
        name: "handovers",
        columns: &[
            ("handover_id", Kind::Id),
            ("provider", Kind::Text),
            ("begun_at", Kind::Number),
            ("look_at", Kind::Number),
            ("looks", Kind::Number32),
            ("handed_count", Kind::Number32),
            ("awaited_count", Kind::Number32),
            ("handed", Kind::Bytes),
            ("awaited", Kind::Bytes),
        ],
    },
    Table {
        name: "uncertain_notices",
        columns: &[
            ("document_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("at", Kind::Number),
            ("sent_again", Kind::Flag),
        ],
    },
    Table {
        name: "given_up_notices",
        columns: &[
            ("document_id", Kind::Id),
            ("institution_id", Kind::Id),
            ("attempts", Kind::Number32),
            ("first_attempt_at", Kind::Number),
            ("given_up_at", Kind::Number),
            ("failure", Kind::Number16),
            ("said", Kind::Text),
        ],
    },
    Table {
        name: "idempotency_records",
        columns: &[
            ("institution_id", Kind::Id),
            ("key_tag", Kind::Bytes),
            ("seq", Kind::Number32),
            ("recorded_at", Kind::Number),
            ("verdicts", Kind::Bytes),
        ],
    },
    // A used link is only recorded by its row: without that row it could be used again.
    Table {
        name: "login_links",
        columns: &[
            ("token_hash", Kind::Bytes),
            ("person_id", Kind::Id),
            ("expires_at", Kind::Number),
            ("used_at", Kind::Number),
            ("document_id", Kind::Id),
        ],
    },
    Table {
        name: "new_pin_links",
        columns: &[("token_hash", Kind::Bytes), ("person_id", Kind::Id), ("expires_at", Kind::Number)],
    },
    Table {
        name: "link_requests",
        columns: &[("phone_index", Kind::Bytes), ("asked_at", Kind::Bytes), ("last_at", Kind::Number)],
    },
    Table { name: "joins", columns: &[("person_id", Kind::Id), ("due_at", Kind::Number)] },
];

/// The number of rows of a table, and an order-independent hash of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Rows.
    pub rows: u64,
    sum: [u128; 2],
}

impl Fingerprint {
    /// Adds a row.
    pub fn add(&mut self, row: &[Value]) {
        let mut bytes = Vec::with_capacity(256);
        for value in row {
            let (tag, data): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Number(number) => (1, &number.to_be_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(data) => (3, data),
            };
            bytes.push(tag);
            bytes.extend_from_slice(&(data.len() as u64).to_be_bytes());
            bytes.extend_from_slice(data);
        }
        let hash = sha256(&bytes);
        for (sum, half) in self.sum.iter_mut().zip(hash.chunks_exact(16)) {
            *sum = sum.wrapping_add(u128::from_be_bytes(half.try_into().expect("16 bytes")));
        }
        self.rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&[Value]]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for row in rows {
            fingerprint.add(row);
        }
        fingerprint
    }

    #[test]
    fn a_fingerprint_tells_rows_apart_but_not_their_order() {
        let text = |text: &str| Value::Text(text.to_owned());
        let (a, b) = ([text("가"), Value::Null], [text("나"), Value::Number(0)]);
        assert_eq!(of(&[&a, &b]), of(&[&b, &a]));
        assert_ne!(of(&[&a, &b]), of(&[&a]));
        assert_ne!(of(&[&a, &a]), of(&[&b, &b]));
        assert_ne!(of(&[&[text("ab"), text("c")]]), of(&[&[text("a"), text("bc")]]));
        assert_ne!(of(&[&[Value::Null]]), of(&[&[Value::Number(0)]]));
    }
}
