-- The day in Seoul of a time, YYYYMMDD.
CREATE FUNCTION seoul_day(at bigint) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT to_char(to_timestamp(at + 32400) AT TIME ZONE 'UTC', 'YYYYMMDD')::integer
$$;

-- Statistics (SPEC 11): documents by day (YYYYMMDD in Seoul), contract and kind. A kind is the number of an event type,
-- or above 100 that of a refusal. The sequencer counts the steps that it numbers, in slot 0. Every accepting connection
-- counts what it refuses in a slot of its own, so that none waits for another.
CREATE TABLE statistics (
  institution_id uuid NOT NULL,
  day            integer NOT NULL,
  contract_id    uuid NOT NULL,
  kind           smallint NOT NULL,
  slot           smallint NOT NULL,
  documents      bigint NOT NULL,
  PRIMARY KEY (institution_id, day, contract_id, kind, slot)
) WITH (fillfactor = 50);

-- What the ledger has so far; what waits in the outbox is counted when it is numbered. What was refused before is not
-- known.
INSERT INTO statistics (institution_id, day, contract_id, kind, slot, documents)
SELECT l.institution_id, seoul_day(l.at), p.contract_id, l.event_type, 0, sum(l.event_count)
FROM ledger l JOIN parcels p ON p.parcel_id = l.parcel_id
WHERE l.event_type IN (1, 3, 8, 9, 10)
GROUP BY 1, 2, 3, 4;
