-- The embedded store. Ids are 16-byte UUIDv7, times are Unix seconds.
-- Personal values stand only in columns named `sealed`; what they are found by is a blind index.

CREATE TABLE deployment (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE institutions (
  institution_id BLOB NOT NULL PRIMARY KEY,
  name           TEXT NOT NULL,
  created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contracts (
  contract_id    BLOB NOT NULL PRIMARY KEY,
  institution_id BLOB NOT NULL REFERENCES institutions,
  authentication TEXT NOT NULL CHECK (authentication IN ('pin', 'certificate')),
  certified      INTEGER NOT NULL,
  closed_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX contracts_by_institution ON contracts (institution_id, contract_id);

CREATE TABLE access_tokens (
  token_hash     BLOB NOT NULL PRIMARY KEY,
  token_id       BLOB NOT NULL UNIQUE,
  institution_id BLOB NOT NULL REFERENCES institutions,
  label          TEXT NOT NULL,
  expires_at     INTEGER,
  revoked_at     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_by_institution ON access_tokens (institution_id, token_id);

-- Documents accepted by institution and day in Asia/Seoul (YYYYMMDD), counted as they are accepted.
CREATE TABLE daily_counts (
  institution_id BLOB NOT NULL,
  day            INTEGER NOT NULL,
  accepted       INTEGER NOT NULL,
  PRIMARY KEY (institution_id, day)
) STRICT, WITHOUT ROWID;

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

-- What several documents of one request say alike.
CREATE TABLE contents (
  content_id BLOB NOT NULL PRIMARY KEY,
  sealed     BLOB NOT NULL
) STRICT;

-- document_no is given in the order of commits, which is the order of the delivery queue.
CREATE TABLE documents (
  document_no      INTEGER PRIMARY KEY,
  document_id      BLOB NOT NULL UNIQUE,
  institution_id   BLOB NOT NULL,
  contract_id      BLOB NOT NULL,
  person_id        BLOB NOT NULL,
  content_id       BLOB,
  sealed           BLOB NOT NULL,
  hash             TEXT,
  deadline_at      INTEGER NOT NULL,
  sent_at          INTEGER NOT NULL,
  notification     INTEGER NOT NULL DEFAULT 0,
  received_at      INTEGER,
  authenticated_at INTEGER,
  token_used_at    INTEGER,
  read_at          INTEGER,
  notified_at      INTEGER
) STRICT;
CREATE INDEX documents_by_person ON documents (person_id, document_no);
CREATE INDEX documents_given_up ON documents (document_id) WHERE notification = 2;

-- One-time tokens, by their SHA-256 alone.
CREATE TABLE one_time_tokens (
  token_hash  BLOB NOT NULL PRIMARY KEY,
  document_no INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  used_at     INTEGER
) STRICT, WITHOUT ROWID;

-- Accepted and not yet announced, first come first served within an institution.
CREATE TABLE deliveries (
  institution_id BLOB NOT NULL,
  document_no    INTEGER NOT NULL,
  PRIMARY KEY (institution_id, document_no)
) STRICT, WITHOUT ROWID;

-- Announcements that the messenger did not take yet.
CREATE TABLE delivery_retries (
  document_no      INTEGER PRIMARY KEY,
  institution_id   BLOB NOT NULL,
  not_before       INTEGER NOT NULL,
  attempts         INTEGER NOT NULL,
  first_attempt_at INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_retries_due ON delivery_retries (not_before);

-- People for whom waiting documents are still to be moved into the box.
CREATE TABLE joins (
  person_id BLOB NOT NULL PRIMARY KEY,
  due_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX joins_due ON joins (due_at);
