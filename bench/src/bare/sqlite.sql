-- What a team would write that stores a row for each document: with an index by person, and a queue with a row for each
-- request.
CREATE TABLE people (
  person_id   BLOB NOT NULL PRIMARY KEY,
  wrapped_key BLOB NOT NULL
) STRICT;
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
CREATE INDEX documents_read ON documents (person_id, document_no) WHERE read_at IS NOT NULL;
CREATE TABLE delivery_ranges (
  institution_id BLOB NOT NULL,
  first_no       INTEGER NOT NULL,
  last_no        INTEGER NOT NULL CHECK (last_no >= first_no),
  PRIMARY KEY (institution_id, first_no)
) STRICT, WITHOUT ROWID;
