-- What the peers store: a row for each document, and a row for each in the queue.
CREATE TABLE institutions (
  access_token   text PRIMARY KEY,
  institution_id uuid NOT NULL,
  contract_uuid  text NOT NULL
);
CREATE TABLE people (
  phone_number text PRIMARY KEY,
  person_id    uuid NOT NULL,
  name         text NOT NULL,
  birthday     text NOT NULL,
  member       boolean NOT NULL
);
CREATE TABLE documents (
  document_id    uuid PRIMARY KEY,
  institution_id uuid NOT NULL,
  person_id      uuid NOT NULL,
  external_id    text NOT NULL,
  title          text NOT NULL,
  message        text,
  link           text NOT NULL,
  cs_number      text NOT NULL,
  cs_name        text NOT NULL,
  payload        text,
  hash           text,
  deadline_at    bigint NOT NULL,
  sent_at        bigint NOT NULL,
  received_at    bigint
);
CREATE INDEX documents_by_person ON documents (person_id, document_id);
CREATE TABLE deliveries (
  document_id    uuid PRIMARY KEY,
  institution_id uuid NOT NULL
);
