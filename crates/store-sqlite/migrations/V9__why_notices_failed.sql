-- Why a notification was not taken, and when a token was last used.

ALTER TABLE delivery_retries ADD COLUMN failure INTEGER;

-- How it went with the notifications that were given up: documents that say so. One that was given up before
-- this has no row.
CREATE TABLE given_up_notices (
  document_no      INTEGER PRIMARY KEY,
  attempts         INTEGER NOT NULL,
  first_attempt_at INTEGER NOT NULL,
  given_up_at      INTEGER NOT NULL,
  failure          INTEGER
) STRICT;
CREATE INDEX delivery_retries_by_institution ON delivery_retries (institution_id, document_no);

ALTER TABLE access_tokens ADD COLUMN last_used_at INTEGER;
