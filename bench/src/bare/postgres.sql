-- What a team would write that stores a row for each document: with an index by person, and a queue with a row for each
-- request.
CREATE TABLE people (
  person_id   uuid PRIMARY KEY,
  wrapped_key bytea NOT NULL
);
CREATE TABLE documents (
  document_id      uuid PRIMARY KEY,
  institution_id   uuid NOT NULL,
  contract_id      uuid NOT NULL,
  person_id        uuid NOT NULL,
  content_id       uuid,
  sealed           bytea NOT NULL,
  hash             text,
  deadline_at      bigint NOT NULL,
  sent_at          bigint NOT NULL,
  notification     smallint NOT NULL DEFAULT 0,
  received_at      bigint,
  authenticated_at bigint,
  token_used_at    bigint,
  read_at          bigint,
  notified_at      bigint
) PARTITION BY RANGE (document_id);
CREATE INDEX documents_by_person ON documents (person_id, document_id);
CREATE INDEX documents_read ON documents (person_id, document_id) WHERE read_at IS NOT NULL;
CREATE INDEX documents_given_up ON documents (document_id) WHERE notification = 2;
CREATE INDEX documents_by_deadline ON documents USING brin (deadline_at);
CREATE TABLE documents_all PARTITION OF documents DEFAULT;
CREATE TABLE delivery_parcels (
  institution_id uuid NOT NULL,
  first_id       uuid NOT NULL,
  document_ids   uuid[] NOT NULL CHECK (cardinality(document_ids) > 0),
  ticket         bigint,
  leased_until   timestamptz,
  PRIMARY KEY (institution_id, first_id)
) WITH (fillfactor = 60);
CREATE INDEX delivery_parcels_held ON delivery_parcels (ticket) WHERE ticket IS NOT NULL;
