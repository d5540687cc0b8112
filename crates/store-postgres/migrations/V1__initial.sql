-- The shared store. Ids are UUIDv7, times are Unix seconds.
-- Personal values are only in columns named `sealed` or in a parcel's sealed columns; people are found by blind
-- indexes. parcels, notices, marks and one_time_tokens are partitioned by the month in their id; the store itself
-- makes the partitions.

CREATE TABLE deployment (
  name  text PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE institutions (
  institution_id uuid PRIMARY KEY,
  name           text NOT NULL,
  created_at     bigint NOT NULL
);

-- The picture by which people know an institution.
CREATE TABLE institution_marks (
  institution_id uuid PRIMARY KEY REFERENCES institutions,
  picture        bytea NOT NULL
);

-- `card` names the members of a payload that a document's card shows.
CREATE TABLE contracts (
  contract_id    uuid PRIMARY KEY,
  institution_id uuid NOT NULL REFERENCES institutions,
  authentication text NOT NULL CHECK (authentication IN ('pin', 'certificate', 'none')),
  certified      boolean NOT NULL,
  closed_at      bigint,
  card           text
);
CREATE INDEX contracts_by_institution ON contracts (institution_id, contract_id);

CREATE TABLE access_tokens (
  token_hash     bytea PRIMARY KEY,
  token_id       uuid NOT NULL UNIQUE,
  institution_id uuid NOT NULL REFERENCES institutions,
  label          text NOT NULL,
  expires_at     bigint,
  revoked_at     bigint,
  last_used_at   bigint
);
CREATE INDEX access_tokens_by_institution ON access_tokens (institution_id, token_id);

-- Documents accepted by institution and day in Asia/Seoul (YYYYMMDD). Every accepting connection counts in a slot of
-- its own: with one row for all, they would wait for each other's commits.
CREATE TABLE daily_counts (
  institution_id uuid NOT NULL,
  day            integer NOT NULL,
  slot           smallint NOT NULL,
  accepted       bigint NOT NULL,
  PRIMARY KEY (institution_id, day, slot)
) WITH (fillfactor = 50);
CREATE INDEX daily_counts_by_day ON daily_counts (day);

-- What institutions announce, and what came without (SPEC 9). Days are YYYYMMDD in Asia/Seoul; state is 0 announced,
-- 1 approved, 2 declined.
CREATE TABLE volume_plans (
  plan_id           uuid PRIMARY KEY,
  institution_id    uuid NOT NULL REFERENCES institutions,
  name              text NOT NULL,
  from_day          integer NOT NULL,
  to_day            integer NOT NULL,
  documents_per_day bigint NOT NULL,
  expected_tps      integer NOT NULL,
  purpose           text NOT NULL,
  announced_at      bigint NOT NULL,
  state             smallint NOT NULL DEFAULT 0,
  decided_at        bigint
);
CREATE INDEX volume_plans_by_institution ON volume_plans (institution_id, plan_id);
CREATE INDEX volume_plans_waiting ON volume_plans (plan_id) WHERE state = 0;

CREATE TABLE volume_alerts (
  institution_id uuid NOT NULL,
  day            integer NOT NULL,
  accepted       bigint NOT NULL,
  expected       bigint NOT NULL,
  raised_at      bigint NOT NULL,
  told_at        bigint,
  PRIMARY KEY (institution_id, day)
);
CREATE INDEX volume_alerts_untold ON volume_alerts (raised_at) WHERE told_at IS NULL;

-- `has_said` tells whether a person has said anything about an institution: few have, and for the others sending need
-- not look among the refusals.
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
  pin_hash     text,
  has_said     boolean NOT NULL DEFAULT false
);

-- What a person said about an institution; absent means that its documents are taken.
CREATE TABLE refusals (
  person_id      uuid NOT NULL,
  institution_id uuid NOT NULL,
  refused        boolean NOT NULL,
  PRIMARY KEY (person_id, institution_id)
);
-- A trigger keeps `has_said`, so that no writer can forget it.
CREATE FUNCTION person_has_said() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
  UPDATE people SET has_said = true WHERE person_id = NEW.person_id AND NOT has_said;
  RETURN NULL;
END $$;
CREATE TRIGGER person_has_said AFTER INSERT ON refusals FOR EACH ROW EXECUTE FUNCTION person_has_said();

-- What people agreed to when they joined: each text once, and who agreed to it when.
CREATE TABLE agreed_texts (
  text_hash bytea PRIMARY KEY,
  text      text NOT NULL
);
CREATE TABLE agreements (
  person_id uuid NOT NULL,
  text_hash bytea NOT NULL REFERENCES agreed_texts,
  agreed_at bigint NOT NULL,
  PRIMARY KEY (person_id, text_hash)
);

-- The accepted documents of one request: one row, never changed (DESIGN 3). `texts` and `parts` are read by slices,
-- so they are not compressed; the other columns stay in the row.
CREATE TABLE parcels (
  parcel_id        uuid NOT NULL,
  institution_id   uuid NOT NULL,
  contract_id      uuid NOT NULL,
  sent_at          bigint NOT NULL,
  last_deadline_at bigint NOT NULL,
  persons          bytea NOT NULL,
  head             bytea NOT NULL,
  texts            bytea NOT NULL,
  parts            bytea NOT NULL,
  PRIMARY KEY (parcel_id)
) PARTITION BY RANGE (parcel_id);
ALTER TABLE parcels
  ALTER COLUMN persons SET STORAGE MAIN, ALTER COLUMN head SET STORAGE MAIN,
  ALTER COLUMN texts SET STORAGE EXTERNAL, ALTER COLUMN parts SET STORAGE EXTERNAL;

-- A few bytes for many pages: whether a month has a deadline to come.
CREATE INDEX parcels_by_deadline ON parcels USING brin (last_deadline_at);

-- The id of the document at a place in a parcel: the place is in the lowest bits, which a parcel's own id leaves free.
CREATE FUNCTION document_in(parcel_id uuid, place integer) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT encode(set_byte(uuid_send(parcel_id), 15, get_byte(uuid_send(parcel_id), 15) | place), 'hex')::uuid
$$;

-- What the messengers reported for the documents of a parcel, packed.
CREATE TABLE notices (
  parcel_id uuid NOT NULL,
  packed    bytea NOT NULL,
  PRIMARY KEY (parcel_id)
) PARTITION BY RANGE (parcel_id);
ALTER TABLE notices ALTER COLUMN packed SET STORAGE MAIN;

-- The times of a document that a person caused, from the first of them on.
CREATE TABLE marks (
  document_id      uuid NOT NULL,
  person_id        uuid NOT NULL,
  received_at      bigint,
  authenticated_at bigint,
  token_used_at    bigint,
  read_at          bigint,
  PRIMARY KEY (document_id)
) PARTITION BY RANGE (document_id);
CREATE INDEX marks_read ON marks (person_id, document_id) WHERE read_at IS NOT NULL;

-- One-time tokens, by their SHA-256 alone.
CREATE TABLE one_time_tokens (
  document_id uuid NOT NULL,
  token_hash  bytea NOT NULL,
  expires_at  bigint NOT NULL,
  used_at     bigint,
  PRIMARY KEY (document_id, token_hash)
) PARTITION BY RANGE (document_id);

-- The index from person to documents. New parcels wait in box_pending with their persons, until a flush makes a run of
-- blocks of them; runs are merged. Rows of box_pending live for seconds.
CREATE TABLE box_pending (
  parcel_id uuid PRIMARY KEY,
  persons   bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
        toast_tuple_target = 8160);
ALTER TABLE box_pending ALTER COLUMN persons SET STORAGE MAIN;

CREATE TABLE box_blocks (
  block_id       uuid PRIMARY KEY,
  run_id         uuid NOT NULL,
  entry_count    integer NOT NULL,
  first_tag      bigint NOT NULL,
  last_tag       bigint NOT NULL,
  first_parcel_id uuid NOT NULL,
  last_parcel_id uuid NOT NULL,
  parcels        bytea NOT NULL,
  entries        bytea NOT NULL
);
ALTER TABLE box_blocks ALTER COLUMN parcels SET STORAGE EXTERNAL, ALTER COLUMN entries SET STORAGE EXTERNAL;

-- The outbox: parcels with notifications left to send, first come first served within an institution. `positions` are
-- the documents of the row, a byte each; first_position tells apart the rows of a parcel that was split. A row with a
-- lease is held by the worker that has the ticket. Rows live for seconds, so they are vacuumed by their number, not by
-- their share of the table.
CREATE TABLE deliveries (
  institution_id uuid NOT NULL,
  parcel_id      uuid NOT NULL,
  first_position smallint NOT NULL,
  positions      bytea NOT NULL CHECK (length(positions) > 0),
  ticket         bigint,
  leased_until   timestamptz,
  PRIMARY KEY (institution_id, parcel_id, first_position)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
CREATE INDEX deliveries_held ON deliveries (ticket) WHERE ticket IS NOT NULL;

-- Notifications that the messenger did not accept yet, and why.
CREATE TABLE delivery_retries (
  institution_id   uuid NOT NULL,
  document_id      uuid NOT NULL,
  not_before       bigint NOT NULL,
  attempts         integer NOT NULL,
  first_attempt_at bigint NOT NULL,
  failure          smallint,
  ticket           bigint,
  leased_until     timestamptz,
  PRIMARY KEY (institution_id, document_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX delivery_retries_due ON delivery_retries (institution_id, not_before);
CREATE INDEX delivery_retries_by_document ON delivery_retries (document_id);

-- Notifications that were given up.
CREATE TABLE given_up_notices (
  document_id      uuid PRIMARY KEY,
  institution_id   uuid NOT NULL,
  attempts         integer NOT NULL,
  first_attempt_at bigint NOT NULL,
  given_up_at      bigint NOT NULL,
  failure          smallint
);
CREATE INDEX given_up_notices_by_institution ON given_up_notices (institution_id, document_id);

-- People for whom waiting documents are still to be moved into the box.
CREATE TABLE joins (
  person_id uuid PRIMARY KEY,
  due_at    bigint NOT NULL
);
CREATE INDEX joins_due ON joins (due_at);

-- The verdicts on the items of a keyed send, a row for each request. The key and the items are stored as keyed hashes
-- only. A record of a hundred items fits into its page: out of line it would be three more rows.
CREATE TABLE idempotency_records (
  institution_id uuid NOT NULL,
  key_tag        bytea NOT NULL,
  seq            integer NOT NULL,
  recorded_at    bigint NOT NULL,
  verdicts       bytea NOT NULL,
  PRIMARY KEY (institution_id, key_tag, seq)
) WITH (toast_tuple_target = 8160);
ALTER TABLE idempotency_records ALTER COLUMN verdicts SET STORAGE EXTERNAL;
CREATE INDEX idempotency_records_by_time ON idempotency_records (recorded_at);

-- A recipient's visits. A link leads to its document; links to a new PIN are apart, so that none of them signs in.
CREATE TABLE login_links (
  token_hash  bytea PRIMARY KEY,
  person_id   uuid NOT NULL,
  expires_at  bigint NOT NULL,
  used_at     bigint,
  document_id uuid
);
CREATE INDEX login_links_by_time ON login_links (expires_at);
CREATE INDEX login_links_unused ON login_links (person_id) WHERE used_at IS NULL;

CREATE TABLE new_pin_links (
  token_hash bytea PRIMARY KEY,
  person_id  uuid NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX new_pin_links_by_person ON new_pin_links (person_id);
CREATE INDEX new_pin_links_by_time ON new_pin_links (expires_at);

-- The times of the last links, packed; found by the blind index of a telephone number, known or not.
CREATE TABLE link_requests (
  phone_index bytea PRIMARY KEY,
  asked_at    bytea NOT NULL,
  last_at     bigint NOT NULL
);
CREATE INDEX link_requests_by_time ON link_requests (last_at);

CREATE TABLE sessions (
  session_hash bytea PRIMARY KEY,
  person_id    uuid NOT NULL,
  expires_at   bigint NOT NULL
);
CREATE INDEX sessions_by_person ON sessions (person_id);
CREATE INDEX sessions_by_time ON sessions (expires_at);

-- Each secret of a person has a count of failed attempts and a lock of its own.
CREATE TABLE authentications (
  person_id                uuid PRIMARY KEY,
  failures                 bigint NOT NULL DEFAULT 0,
  certificate_failures     bigint NOT NULL DEFAULT 0,
  locked_until             bigint,
  certificate_hash         text,
  certificate_locked_until bigint,
  birthday_failures        bigint NOT NULL DEFAULT 0,
  birthday_locked_until    bigint
);
