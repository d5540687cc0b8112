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
