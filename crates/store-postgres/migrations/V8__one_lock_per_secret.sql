-- Each secret has a lock of its own, and how often a link was asked for is counted by number.

ALTER TABLE authentications ADD COLUMN certificate_locked_until bigint;
UPDATE authentications SET certificate_locked_until = locked_until WHERE locked_until IS NOT NULL;

-- The times of the last links, packed; found by the blind index of a telephone number, known or not.
CREATE TABLE link_requests (
  phone_index bytea PRIMARY KEY,
  asked_at    bytea NOT NULL,
  last_at     bigint NOT NULL
);
CREATE INDEX link_requests_by_time ON link_requests (last_at);
