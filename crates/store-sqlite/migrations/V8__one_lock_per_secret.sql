-- Each secret has a lock of its own, and how often a link was asked for is counted by number.

ALTER TABLE authentications ADD COLUMN certificate_locked_until INTEGER;
UPDATE authentications SET certificate_locked_until = locked_until WHERE locked_until IS NOT NULL;

-- The times of the last links, packed; found by the blind index of a telephone number, known or not.
CREATE TABLE link_requests (
  phone_index BLOB NOT NULL PRIMARY KEY,
  asked_at    BLOB NOT NULL,
  last_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX link_requests_by_time ON link_requests (last_at);
