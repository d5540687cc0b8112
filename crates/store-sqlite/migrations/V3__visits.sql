-- A recipient's visits: how they get in, and how they prove to be themselves.

CREATE TABLE login_links (
  token_hash BLOB NOT NULL PRIMARY KEY,
  person_id  BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX login_links_by_time ON login_links (expires_at);

CREATE TABLE sessions (
  session_hash BLOB NOT NULL PRIMARY KEY,
  person_id    BLOB NOT NULL,
  expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_person ON sessions (person_id);
CREATE INDEX sessions_by_time ON sessions (expires_at);

CREATE TABLE authentications (
  person_id        BLOB NOT NULL PRIMARY KEY,
  failures         INTEGER NOT NULL DEFAULT 0,
  certificate_failures INTEGER NOT NULL DEFAULT 0,
  locked_until     INTEGER,
  certificate_hash TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_read ON documents (person_id, document_no) WHERE read_at IS NOT NULL;
