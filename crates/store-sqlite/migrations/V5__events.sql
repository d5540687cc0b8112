-- The first time a document was opened, and when its institution withdrew it (SPEC 16).
ALTER TABLE marks ADD COLUMN opened_at INTEGER;
ALTER TABLE marks ADD COLUMN withdrawn_at INTEGER;
UPDATE marks SET opened_at = coalesce(authenticated_at, token_used_at, read_at);

-- The event feed (SPEC 15): the last number of each institution, and what happened, with a range of numbers for each
-- step. A step of a document has its parcel and a set of positions; one without a document has neither.
CREATE TABLE feeds (
  institution_id BLOB NOT NULL PRIMARY KEY,
  last_seq       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger (
  institution_id BLOB NOT NULL,
  last_seq       INTEGER NOT NULL,
  event_count    INTEGER NOT NULL,
  event_type     INTEGER NOT NULL,
  at             INTEGER NOT NULL,
  parcel_id      BLOB,
  documents      BLOB,
  PRIMARY KEY (institution_id, last_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_parcel ON ledger (parcel_id) WHERE parcel_id IS NOT NULL;

-- When the next deadline of a parcel passes, and until which deadline the feed has told of it. Documents that were
-- accepted before there was a feed have no row.
CREATE TABLE expiries (
  due_at         INTEGER NOT NULL,
  parcel_id      BLOB NOT NULL,
  told_to        INTEGER NOT NULL,
  PRIMARY KEY (due_at, parcel_id)
) STRICT, WITHOUT ROWID;

-- Webhooks (SPEC 15): cursors over a feed. `pending_last` is the last number of the delivery that is under way or failed.
-- `types` are names, separated by commas; NULL means all. `disabled_why` is 0 failing, 1 gone. The secrets are sealed.
CREATE TABLE webhooks (
  webhook_id           BLOB NOT NULL PRIMARY KEY,
  institution_id       BLOB NOT NULL REFERENCES institutions,
  url                  TEXT NOT NULL,
  types                TEXT,
  created_at           INTEGER NOT NULL,
  secret               BLOB NOT NULL,
  former_secret        BLOB,
  former_secret_until  INTEGER,
  through              INTEGER NOT NULL,
  pending_last         INTEGER,
  failures             INTEGER NOT NULL DEFAULT 0,
  failing_since        INTEGER,
  next_attempt_at      INTEGER NOT NULL,
  disabled_why         INTEGER,
  disabled_at          INTEGER,
  ticket               INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX webhooks_by_institution ON webhooks (institution_id, webhook_id);

-- The last attempts of each webhook. `outcome` is a status, or 0 unreachable, 1 no answer.
CREATE TABLE webhook_attempts (
  webhook_id  BLOB NOT NULL,
  attempt_no  INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  first_seq   INTEGER NOT NULL,
  last_seq    INTEGER NOT NULL,
  outcome     INTEGER NOT NULL,
  took_millis INTEGER NOT NULL,
  PRIMARY KEY (webhook_id, attempt_no)
) STRICT, WITHOUT ROWID;
