-- A recipient's visits: how they get in, and how they prove to be themselves.

CREATE TABLE login_links (
  token_hash bytea PRIMARY KEY,
  person_id  uuid NOT NULL,
  expires_at bigint NOT NULL,
  used_at    bigint
);
CREATE INDEX login_links_by_time ON login_links (expires_at);

CREATE TABLE sessions (
  session_hash bytea PRIMARY KEY,
  person_id    uuid NOT NULL,
  expires_at   bigint NOT NULL
);
CREATE INDEX sessions_by_person ON sessions (person_id);
CREATE INDEX sessions_by_time ON sessions (expires_at);

CREATE TABLE authentications (
  person_id        uuid PRIMARY KEY,
  failures         bigint NOT NULL DEFAULT 0,
  certificate_failures bigint NOT NULL DEFAULT 0,
  locked_until     bigint,
  certificate_hash text
);

CREATE INDEX documents_read ON documents (person_id, document_id) WHERE read_at IS NOT NULL;
