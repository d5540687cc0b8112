-- The first time a document was opened, and when its institution withdrew it (SPEC 16).
ALTER TABLE marks ADD COLUMN opened_at bigint, ADD COLUMN withdrawn_at bigint;
UPDATE marks SET opened_at = coalesce(authenticated_at, token_used_at, read_at);

-- The set of one position of a parcel, as the program stores sets.
CREATE FUNCTION document_set(place integer) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT set_bit('\x00000000000000000000000000000000'::bytea, place, 1)
$$;

-- The parcel of a document, and its place in it.
CREATE FUNCTION parcel_of(document_id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT encode(set_byte(uuid_send(document_id), 15, get_byte(uuid_send(document_id), 15) & 128), 'hex')::uuid
$$;
CREATE FUNCTION place_of(document_id uuid) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT get_byte(uuid_send(document_id), 15) & 127
$$;

-- The event feed (SPEC 15). Steps are written to the outbox where they happen. The sequencer moves what was committed
-- into the ledger, numbered without gaps for each institution: a range of numbers for each step. A step of a document
-- has its parcel and a set of positions; one without a document has neither.
CREATE TABLE outbox (
  outbox_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  institution_id uuid NOT NULL,
  event_count    smallint NOT NULL,
  event_type     smallint NOT NULL,
  at             bigint NOT NULL,
  parcel_id      uuid,
  documents      bytea
);
CREATE TABLE feeds (
  institution_id uuid NOT NULL PRIMARY KEY,
  last_seq       bigint NOT NULL,
  -- The events up to this number are gone: whoever looks for the oldest begins behind their dead rows.
  forgotten_to   bigint NOT NULL DEFAULT 0
);
CREATE TABLE ledger (
  institution_id uuid NOT NULL,
  last_seq       bigint NOT NULL,
  event_count    smallint NOT NULL,
  event_type     smallint NOT NULL,
  at             bigint NOT NULL,
  parcel_id      uuid,
  documents      bytea,
  PRIMARY KEY (institution_id, last_seq)
);
CREATE INDEX ledger_by_parcel ON ledger (parcel_id) WHERE parcel_id IS NOT NULL;

-- Who numbers: one node, until its lease ends.
CREATE TABLE sequencer (
  only_row     boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
  holder       uuid,
  leased_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO sequencer DEFAULT VALUES;

-- When the next deadline of a parcel passes, and until which deadline the feed has told of it. Documents that were
-- accepted before there was a feed have no row.
CREATE TABLE expiries (
  due_at    bigint NOT NULL,
  parcel_id uuid NOT NULL,
  told_to   bigint NOT NULL,
  PRIMARY KEY (due_at, parcel_id)
);

-- Webhooks (SPEC 15): cursors over a feed. `pending_last` is the last number of the delivery that is under way or failed.
-- `types` are names, separated by commas; NULL means all. `disabled_why` is 0 failing, 1 gone. The secrets are sealed.
CREATE TABLE webhooks (
  webhook_id           uuid NOT NULL PRIMARY KEY,
  institution_id       uuid NOT NULL REFERENCES institutions,
  url                  text NOT NULL,
  types                text,
  created_at           bigint NOT NULL,
  secret               bytea NOT NULL,
  former_secret        bytea,
  former_secret_until  bigint,
  through              bigint NOT NULL,
  pending_last         bigint,
  failures             integer NOT NULL DEFAULT 0,
  failing_since        bigint,
  next_attempt_at      bigint NOT NULL,
  disabled_why         smallint,
  disabled_at          bigint,
  ticket               bigint NOT NULL DEFAULT 0,
  leased_until         timestamptz
) WITH (fillfactor = 50);
CREATE INDEX webhooks_by_institution ON webhooks (institution_id, webhook_id);

-- The last attempts of each webhook. `outcome` is a status, or 0 unreachable, 1 no answer.
CREATE TABLE webhook_attempts (
  webhook_id  uuid NOT NULL,
  attempt_no  bigint NOT NULL,
  at          bigint NOT NULL,
  first_seq   bigint NOT NULL,
  last_seq    bigint NOT NULL,
  outcome     integer NOT NULL,
  took_millis integer NOT NULL,
  PRIMARY KEY (webhook_id, attempt_no)
);
