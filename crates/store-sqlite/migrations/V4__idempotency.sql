-- What was answered to the items of a keyed send, a row for each request. The key and the items are
-- told by keyed hashes alone.
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
