-- The day in Seoul of a time, YYYYMMDD.
CREATE FUNCTION seoul_day(at bigint) RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT to_char(to_timestamp(at + 32400) AT TIME ZONE 'UTC', 'YYYYMMDD')::integer
$$;

-- Statistics (SPEC 11): documents by day (YYYYMMDD in Seoul), contract and kind. A kind is the number of an event type,
-- or above 100 that of a refusal. Steps are counted in slot 0. Every accepting connection counts what it refuses in a slot
-- of its own, so that none waits for another.
CREATE TABLE statistics (
  institution_id uuid NOT NULL,
  day            integer NOT NULL,
  contract_id    uuid NOT NULL,
  kind           smallint NOT NULL,
  slot           smallint NOT NULL,
  documents      bigint NOT NULL,
  PRIMARY KEY (institution_id, day, contract_id, kind, slot)
) WITH (fillfactor = 50);

-- Counts steps as they are numbered, whichever version of the program numbers them: in a rolling upgrade the sequencer may
-- be a node of the former one. By parcel first, which has the contract; one that is gone has none. A move brings the
-- counts with it.
CREATE FUNCTION count_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('seoham.moving', true), '') = 'on' THEN
    RETURN NULL;
  END IF;
  INSERT INTO statistics AS s (institution_id, day, contract_id, kind, slot, documents)
  SELECT institution_id, day, contract_id, event_type, 0, sum(documents)::bigint
  FROM (
    SELECT b.institution_id, b.day, b.event_type, b.documents,
           coalesce((SELECT p.contract_id FROM parcels p WHERE p.parcel_id = b.parcel_id),
                    '00000000-0000-0000-0000-000000000000') AS contract_id
    FROM (
      SELECT institution_id, seoul_day(at) AS day, parcel_id, event_type, sum(event_count) AS documents
      FROM numbered WHERE event_type IN (1, 3, 8, 9, 10) AND parcel_id IS NOT NULL GROUP BY 1, 2, 3, 4) AS b
    ) AS c
  GROUP BY institution_id, day, contract_id, event_type
  ORDER BY institution_id, day, contract_id, event_type
  ON CONFLICT (institution_id, day, contract_id, kind, slot)
  DO UPDATE SET documents = s.documents + excluded.documents;
  RETURN NULL;
END
$$;

-- Waits for a pass that is under way, and nobody numbers until this is committed.
CREATE TRIGGER ledger_counted AFTER INSERT ON ledger REFERENCING NEW TABLE AS numbered
  FOR EACH STATEMENT EXECUTE FUNCTION count_steps();

-- What the ledger has so far; what waits in the outbox is counted when it is numbered. What was refused before is not
-- known.
INSERT INTO statistics (institution_id, day, contract_id, kind, slot, documents)
SELECT l.institution_id, seoul_day(l.at),
       coalesce(p.contract_id, '00000000-0000-0000-0000-000000000000'), l.event_type, 0, sum(l.event_count)
FROM ledger l LEFT JOIN parcels p ON p.parcel_id = l.parcel_id
WHERE l.event_type IN (1, 3, 8, 9, 10) AND l.parcel_id IS NOT NULL
GROUP BY 1, 2, 3, 4;
