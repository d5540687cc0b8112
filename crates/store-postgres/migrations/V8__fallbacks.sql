-- Documents whose notification did not arrive, and for which our own fallback is sent (SPEC 13).
CREATE TABLE fallback_notices (
  document_id    uuid NOT NULL PRIMARY KEY,
  institution_id uuid NOT NULL,
  begun_at       bigint NOT NULL
);
