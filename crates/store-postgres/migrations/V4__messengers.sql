-- Templates of messages are JSON (SPEC 13): also buttons, a fallback, and how the providers know them.
ALTER TABLE institution_templates RENAME COLUMN body TO content;
UPDATE institution_templates SET content = json_build_object('body', content)::text;
CREATE TABLE platform_templates (
  kind    text PRIMARY KEY,
  content text NOT NULL
);

-- What the provider said about a notification, in its own words.
ALTER TABLE delivery_retries ADD COLUMN said text;
ALTER TABLE given_up_notices ADD COLUMN said text;

-- Messages handed to a provider in one call, recorded before it. `handed` are those without an outcome yet: they are in
-- no queue. `awaited` are those whose delivery reports are awaited, sealed.
CREATE TABLE handovers (
  handover_id   uuid PRIMARY KEY,
  provider      text NOT NULL,
  ticket        bigint NOT NULL DEFAULT 0,
  leased_until  timestamptz,
  begun_at      bigint NOT NULL,
  look_at       bigint NOT NULL,
  looks         integer NOT NULL DEFAULT 0,
  handed_count  integer NOT NULL,
  awaited_count integer NOT NULL DEFAULT 0,
  handed        bytea NOT NULL,
  awaited       bytea
);
ALTER TABLE handovers ALTER COLUMN handed SET STORAGE EXTERNAL, ALTER COLUMN awaited SET STORAGE EXTERNAL;
CREATE INDEX handovers_due ON handovers (look_at, handover_id);
CREATE INDEX handovers_unsettled ON handovers (handover_id) WHERE handed_count > 0;

-- Messages for which it could not be found out whether the provider has them.
CREATE TABLE uncertain_notices (
  document_id    uuid PRIMARY KEY,
  institution_id uuid NOT NULL,
  at             bigint NOT NULL,
  sent_again     boolean NOT NULL
);
CREATE INDEX uncertain_notices_by_time ON uncertain_notices (at);

-- How each worker sees its providers.
CREATE TABLE provider_states (
  worker_id uuid NOT NULL,
  provider  text NOT NULL,
  at        bigint NOT NULL,
  state     text NOT NULL,
  PRIMARY KEY (worker_id, provider)
);

-- From when on a provider may be given more, in milliseconds of the database's clock: the rate limit of all nodes.
CREATE TABLE provider_rates (
  provider  text PRIMARY KEY,
  free_at   double precision NOT NULL
);
