-- Templates of messages are JSON (SPEC 13): also buttons, a fallback, and how the providers know them.
ALTER TABLE institution_templates RENAME COLUMN body TO content;
UPDATE institution_templates SET content = json_object('body', content);
CREATE TABLE platform_templates (
  kind    TEXT NOT NULL PRIMARY KEY,
  content TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the provider said about a notification, in its own words.
ALTER TABLE delivery_retries ADD COLUMN said TEXT;
ALTER TABLE given_up_notices ADD COLUMN said TEXT;

-- Messages handed to a provider in one call, recorded before it. `handed` are those without an outcome yet: they are in
-- no queue. `awaited` are those whose delivery reports are awaited, sealed. Who holds a row is known in memory only.
CREATE TABLE handovers (
  handover_id   BLOB NOT NULL PRIMARY KEY,
  provider      TEXT NOT NULL,
  ticket        INTEGER NOT NULL DEFAULT 0,
  begun_at      INTEGER NOT NULL,
  look_at       INTEGER NOT NULL,
  looks         INTEGER NOT NULL DEFAULT 0,
  handed_count  INTEGER NOT NULL,
  awaited_count INTEGER NOT NULL DEFAULT 0,
  handed        BLOB NOT NULL,
  awaited       BLOB
) STRICT;
CREATE INDEX handovers_due ON handovers (look_at, handover_id);
CREATE INDEX handovers_unsettled ON handovers (handover_id) WHERE handed_count > 0;

-- Messages for which it could not be found out whether the provider has them.
CREATE TABLE uncertain_notices (
  document_id    BLOB NOT NULL PRIMARY KEY,
  institution_id BLOB NOT NULL,
  at             INTEGER NOT NULL,
  sent_again     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uncertain_notices_by_time ON uncertain_notices (at);

-- How each worker sees its providers.
CREATE TABLE provider_states (
  worker_id BLOB NOT NULL,
  provider  TEXT NOT NULL,
  at        INTEGER NOT NULL,
  state     TEXT NOT NULL,
  PRIMARY KEY (worker_id, provider)
) STRICT, WITHOUT ROWID;
