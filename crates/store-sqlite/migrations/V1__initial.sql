-- The embedded store. Ids are 16-byte UUIDv7, times are Unix seconds.
-- Personal values are only in columns named `sealed` or in a parcel's sealed columns; people are found by blind
-- indexes.

CREATE TABLE deployment (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;
-- The last parcel that is flushed into the box index; later ones are kept in memory, and read again at the start.
INSERT INTO deployment (name, value) VALUES ('box_index_flushed_to', 0);

CREATE TABLE institutions (
  institution_id BLOB NOT NULL PRIMARY KEY,
  name           TEXT NOT NULL,
  created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The picture by which people know an institution.
CREATE TABLE institution_marks (
  institution_id BLOB NOT NULL PRIMARY KEY REFERENCES institutions,
  picture        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `card` names the members of a payload that a document's card shows.
CREATE TABLE contracts (
  contract_id    BLOB NOT NULL PRIMARY KEY,
  institution_id BLOB NOT NULL REFERENCES institutions,
  authentication TEXT NOT NULL CHECK (authentication IN ('pin', 'certificate', 'none')),
  certified      INTEGER NOT NULL,
  closed_at      INTEGER,
  card           TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX contracts_by_institution ON contracts (institution_id, contract_id);

CREATE TABLE access_tokens (
  token_hash     BLOB NOT NULL PRIMARY KEY,
  token_id       BLOB NOT NULL UNIQUE,
  institution_id BLOB NOT NULL REFERENCES institutions,
  label          TEXT NOT NULL,
  expires_at     INTEGER,
  revoked_at     INTEGER,
  last_used_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_by_institution ON access_tokens (institution_id, token_id);

-- Documents accepted by institution and day in Asia/Seoul (YYYYMMDD), counted as they are accepted.
CREATE TABLE daily_counts (
  institution_id BLOB NOT NULL,
  day            INTEGER NOT NULL,
  accepted       INTEGER NOT NULL,
  PRIMARY KEY (institution_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX daily_counts_by_day ON daily_counts (day);

-- What institutions announce, and what came without (SPEC 9). Days are YYYYMMDD in Asia/Seoul; state is 0 announced,
-- 1 approved, 2 declined.
CREATE TABLE volume_plans (
  plan_id           BLOB NOT NULL PRIMARY KEY,
  institution_id    BLOB NOT NULL REFERENCES institutions,
  name              TEXT NOT NULL,
  from_day          INTEGER NOT NULL,
  to_day            INTEGER NOT NULL,
  documents_per_day INTEGER NOT NULL,
  expected_tps      INTEGER NOT NULL,
  purpose           TEXT NOT NULL,
  announced_at      INTEGER NOT NULL,
  state             INTEGER NOT NULL DEFAULT 0,
  decided_at        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_plans_by_institution ON volume_plans (institution_id, plan_id);
CREATE INDEX volume_plans_waiting ON volume_plans (plan_id) WHERE state = 0;

CREATE TABLE volume_alerts (
  institution_id BLOB NOT NULL,
  day            INTEGER NOT NULL,
  accepted       INTEGER NOT NULL,
  expected       INTEGER NOT NULL,
  raised_at      INTEGER NOT NULL,
  told_at        INTEGER,
  PRIMARY KEY (institution_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_alerts_untold ON volume_alerts (raised_at) WHERE told_at IS NULL;

CREATE TABLE people (
  person_id    BLOB NOT NULL PRIMARY KEY,
  phone_index  BLOB NOT NULL UNIQUE,
  ci_index     BLOB UNIQUE,
  birthday_tag BLOB NOT NULL,
  name_tag     BLOB NOT NULL,
  wrapped_key  BLOB NOT NULL,
  sealed       BLOB NOT NULL,
  behaviour    INTEGER NOT NULL,
  member_since INTEGER,
  pin_hash     TEXT
) STRICT;

-- What a person said about an institution; absent means that its documents are taken.
CREATE TABLE refusals (
  person_id      BLOB NOT NULL,
  institution_id BLOB NOT NULL,
  refused        INTEGER NOT NULL,
  PRIMARY KEY (person_id, institution_id)
) STRICT, WITHOUT ROWID;

-- What people agreed to when they joined: each text once, and who agreed to it when.
CREATE TABLE agreed_texts (
  text_hash BLOB NOT NULL PRIMARY KEY,
  text      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE agreements (
  person_id BLOB NOT NULL,
  text_hash BLOB NOT NULL REFERENCES agreed_texts,
  agreed_at INTEGER NOT NULL,
  PRIMARY KEY (person_id, text_hash)
) STRICT, WITHOUT ROWID;

-- The accepted documents of one request: one row, never changed (DESIGN 3). `texts` and `parts` are read by slices and
-- come last, so that the others are read without them. Numbers are given in the order of commits and never again.
CREATE TABLE parcels (
  parcel_no        INTEGER PRIMARY KEY AUTOINCREMENT,
  parcel_id        BLOB NOT NULL UNIQUE,
  institution_id   BLOB NOT NULL,
  contract_id      BLOB NOT NULL,
  sent_at          INTEGER NOT NULL,
  last_deadline_at INTEGER NOT NULL,
  head             BLOB NOT NULL,
  persons          BLOB NOT NULL,
  texts            BLOB NOT NULL,
  parts            BLOB NOT NULL
) STRICT;

-- What the messengers reported for the documents of a parcel, packed.
CREATE TABLE notices (
  parcel_id BLOB NOT NULL PRIMARY KEY,
  packed    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The times of a document that a person caused, from the first of them on.
CREATE TABLE marks (
  document_id      BLOB NOT NULL PRIMARY KEY,
  person_id        BLOB NOT NULL,
  received_at      INTEGER,
  authenticated_at INTEGER,
  token_used_at    INTEGER,
  read_at          INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX marks_read ON marks (person_id, document_id) WHERE read_at IS NOT NULL;

-- One-time tokens, by their SHA-256 alone.
CREATE TABLE one_time_tokens (
  document_id BLOB NOT NULL,
  token_hash  BLOB NOT NULL,
  expires_at  INTEGER NOT NULL,
  used_at     INTEGER,
  PRIMARY KEY (document_id, token_hash)
) STRICT, WITHOUT ROWID;

-- The index from person to documents: runs of blocks. A block of a run that is not in box_runs is being written, or
-- removed.
CREATE TABLE box_runs (
  run_id          BLOB NOT NULL PRIMARY KEY,
  first_parcel_id BLOB NOT NULL,
  last_parcel_id  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE box_blocks (
  block_no       INTEGER PRIMARY KEY,
  block_id       BLOB NOT NULL UNIQUE,
  run_id         BLOB NOT NULL,
  entry_count    INTEGER NOT NULL,
  first_tag      INTEGER NOT NULL,
  last_tag       INTEGER NOT NULL,
  first_parcel_id BLOB NOT NULL,
  last_parcel_id BLOB NOT NULL,
  parcels        BLOB NOT NULL,
  entries        BLOB NOT NULL
) STRICT;
CREATE INDEX box_blocks_by_run ON box_blocks (run_id, first_tag, last_tag, entry_count, block_id);

-- The outbox: parcels with notifications left to send, first come first served within an institution. `positions` are
-- the documents that are left, a byte each. Who holds them is known in memory only.
CREATE TABLE deliveries (
  institution_id BLOB NOT NULL,
  parcel_id      BLOB NOT NULL,
  positions      BLOB NOT NULL CHECK (length(positions) > 0),
  PRIMARY KEY (institution_id, parcel_id)
) STRICT, WITHOUT ROWID;

-- Notifications that the messenger did not accept yet, and why.
CREATE TABLE delivery_retries (
  document_id      BLOB NOT NULL PRIMARY KEY,
  institution_id   BLOB NOT NULL,
  not_before       INTEGER NOT NULL,
  attempts         INTEGER NOT NULL,
  first_attempt_at INTEGER NOT NULL,
  failure          INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_retries_due ON delivery_retries (not_before);
CREATE INDEX delivery_retries_by_institution ON delivery_retries (institution_id, document_id);

-- Notifications that were given up.
CREATE TABLE given_up_notices (
  document_id      BLOB NOT NULL PRIMARY KEY,
  institution_id   BLOB NOT NULL,
  attempts         INTEGER NOT NULL,
  first_attempt_at INTEGER NOT NULL,
  given_up_at      INTEGER NOT NULL,
  failure          INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX given_up_notices_by_institution ON given_up_notices (institution_id, document_id);

-- People for whom waiting documents are still to be moved into the box.
CREATE TABLE joins (
  person_id BLOB NOT NULL PRIMARY KEY,
  due_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX joins_due ON joins (due_at);

-- The verdicts on the items of a keyed send, a row for each request. The key and the items are stored as keyed hashes
-- only.
CREATE TABLE idempotency_records (
  record_no      INTEGER PRIMARY KEY,
  institution_id BLOB NOT NULL,
  key_tag        BLOB NOT NULL,
  seq            INTEGER NOT NULL,
  recorded_at    INTEGER NOT NULL,
  verdicts       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX idempotency_records_by_key ON idempotency_records (institution_id, key_tag, seq);
CREATE INDEX idempotency_records_by_time ON idempotency_records (recorded_at);

-- A recipient's visits. A link leads to its document; links to a new PIN are apart, so that none of them signs in.
CREATE TABLE login_links (
  token_hash  BLOB NOT NULL PRIMARY KEY,
  person_id   BLOB NOT NULL,
  expires_at  INTEGER NOT NULL,
  used_at     INTEGER,
  document_id BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX login_links_by_time ON login_links (expires_at);
CREATE INDEX login_links_unused ON login_links (person_id) WHERE used_at IS NULL;

CREATE TABLE new_pin_links (
  token_hash BLOB NOT NULL PRIMARY KEY,
  person_id  BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX new_pin_links_by_person ON new_pin_links (person_id);
CREATE INDEX new_pin_links_by_time ON new_pin_links (expires_at);

-- The times of the last links, packed; found by the blind index of a telephone number, known or not.
CREATE TABLE link_requests (
  phone_index BLOB NOT NULL PRIMARY KEY,
  asked_at    BLOB NOT NULL,
  last_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_requests_by_time ON link_requests (last_at);

CREATE TABLE sessions (
  session_hash BLOB NOT NULL PRIMARY KEY,
  person_id    BLOB NOT NULL,
  expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_person ON sessions (person_id);
CREATE INDEX sessions_by_time ON sessions (expires_at);

-- Each secret of a person has a count of failed attempts and a lock of its own.
CREATE TABLE authentications (
  person_id                BLOB NOT NULL PRIMARY KEY,
  failures                 INTEGER NOT NULL DEFAULT 0,
  certificate_failures     INTEGER NOT NULL DEFAULT 0,
  locked_until             INTEGER,
  certificate_hash         TEXT,
  certificate_locked_until INTEGER,
  birthday_failures        INTEGER NOT NULL DEFAULT 0,
  birthday_locked_until    INTEGER
) STRICT, WITHOUT ROWID;
