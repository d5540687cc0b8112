-- Documents whose notification did not arrive, and for which our own fallback is sent (SPEC 13).
CREATE TABLE fallback_notices (
  document_id    BLOB NOT NULL PRIMARY KEY,
  institution_id BLOB NOT NULL,
  begun_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
