-- Why a notification was not taken, and when a token was last used.

ALTER TABLE delivery_retries ADD COLUMN failure smallint;

-- How it went with the notifications that were given up: documents that say so. One that was given up before
-- this has no row.
CREATE TABLE given_up_notices (
  document_id      uuid PRIMARY KEY,
  attempts         integer NOT NULL,
  first_attempt_at bigint NOT NULL,
  given_up_at      bigint NOT NULL,
  failure          smallint
);

ALTER TABLE access_tokens ADD COLUMN last_used_at bigint;
