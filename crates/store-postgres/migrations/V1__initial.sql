-- The shared store. Ids are UUIDv7, times are Unix seconds.
-- Personal values stand only in columns named `sealed`; what they are found by is a blind index.
-- documents, contents and one_time_tokens are partitioned by the month that the document's id
-- carries; the partitions are made by the store itself.

CREATE TABLE deployment (
  name  text PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE institutions (
  institution_id uuid PRIMARY KEY,
  name           text NOT NULL,
  created_at     bigint NOT NULL
);

CREATE TABLE contracts (
  contract_id    uuid PRIMARY KEY,
  institution_id uuid NOT NULL REFERENCES institutions,
  authentication text NOT NULL CHECK (authentication IN ('pin', 'certificate')),
  certified      boolean NOT NULL,
  closed_at      bigint
);
CREATE INDEX contracts_by_institution ON contracts (institution_id, contract_id);

CREATE TABLE access_tokens (
  token_hash     bytea PRIMARY KEY,
  token_id       uuid NOT NULL UNIQUE,
  institution_id uuid NOT NULL REFERENCES institutions,
  label          text NOT NULL,
  expires_at     bigint,
  revoked_at     bigint
);
CREATE INDEX access_tokens_by_institution ON access_tokens (institution_id, token_id);

-- Documents accepted by institution and day in Asia/Seoul (YYYYMMDD). Every accepting connection
-- counts in a slot of its own: one row for all would have them wait for each other's commits.
CREATE TABLE daily_counts (
  institution_id uuid NOT NULL,
  day            integer NOT NULL,
  slot           smallint NOT NULL,
  accepted       bigint NOT NULL,
  PRIMARY KEY (institution_id, day, slot)
) WITH (fillfactor = 50);

CREATE TABLE people (
  person_id    uuid PRIMARY KEY,
  phone_index  bytea NOT NULL UNIQUE,
  ci_index     bytea UNIQUE,
  birthday_tag bytea NOT NULL,
  name_tag     bytea NOT NULL,
  wrapped_key  bytea NOT NULL,
  sealed       bytea NOT NULL,
  behaviour    smallint NOT NULL,
  member_since bigint,
  pin_hash     text
);

-- What a person said about an institution; absent means that its documents are taken.
CREATE TABLE refusals (
  person_id      uuid NOT NULL,
  institution_id uuid NOT NULL,
  refused        boolean NOT NULL,
  PRIMARY KEY (person_id, institution_id)
);

-- What several documents of one request say alike; its id is that of the first of them.
CREATE TABLE contents (
  content_id uuid PRIMARY KEY,
  sealed     bytea NOT NULL
) PARTITION BY RANGE (content_id);

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
CREATE INDEX documents_given_up ON documents (document_id) WHERE notification = 2;
-- A few bytes for many pages: whether a month still has a deadline to come.
CREATE INDEX documents_by_deadline ON documents USING brin (deadline_at);

-- One-time tokens, by their SHA-256 alone.
CREATE TABLE one_time_tokens (
  document_id uuid NOT NULL,
  token_hash  bytea NOT NULL,
  expires_at  bigint NOT NULL,
  used_at     bigint,
  PRIMARY KEY (document_id, token_hash)
) PARTITION BY RANGE (document_id);

-- Accepted and not yet announced, first come first served within an institution. A row with a
-- lease is held by the worker that has the ticket. Rows live for seconds, so they are cleared
-- away by their number, not by their share of the table.
CREATE TABLE deliveries (
  institution_id uuid NOT NULL,
  document_id    uuid NOT NULL,
  ticket         bigint,
  leased_until   timestamptz,
  PRIMARY KEY (institution_id, document_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);

-- Announcements that the messenger did not take yet.
CREATE TABLE delivery_retries (
  institution_id   uuid NOT NULL,
  document_id      uuid NOT NULL,
  not_before       bigint NOT NULL,
  attempts         integer NOT NULL,
  first_attempt_at bigint NOT NULL,
  ticket           bigint,
  leased_until     timestamptz,
  PRIMARY KEY (institution_id, document_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX delivery_retries_due ON delivery_retries (institution_id, not_before);

-- People for whom waiting documents are still to be moved into the box.
CREATE TABLE joins (
  person_id uuid PRIMARY KEY,
  due_at    bigint NOT NULL
);
CREATE INDEX joins_due ON joins (due_at);
