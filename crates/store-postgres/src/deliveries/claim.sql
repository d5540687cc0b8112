-- Claims parcels of the given institutions under one ticket. $1 institutions, $2 documents of each at most, $3 ticket,
-- $4 lease in milliseconds.
-- Free parcels, oldest first. Skips rows that another worker has locked.
WITH free AS MATERIALIZED (
  SELECT q.institution_id, q.first_id, q.document_ids
  FROM unnest($1::uuid[]) AS turn (institution_id)
  CROSS JOIN LATERAL (
    SELECT d.institution_id, d.first_id, d.document_ids FROM delivery_parcels d
    WHERE d.institution_id = turn.institution_id
      AND (d.leased_until IS NULL OR d.leased_until <= clock_timestamp())
    ORDER BY d.first_id LIMIT least($2::bigint, 100) FOR UPDATE SKIP LOCKED) q),
-- The number of the institution's documents before each parcel.
counted AS (
  SELECT institution_id, first_id, document_ids,
         sum(cardinality(document_ids)) OVER (PARTITION BY institution_id ORDER BY first_id)
           - cardinality(document_ids) AS before
  FROM free),
-- Parcels that fit, and how many documents of the last one do.
chosen AS MATERIALIZED (
  SELECT institution_id, first_id, document_ids,
         least(cardinality(document_ids), $2::bigint - before)::integer AS room
  FROM counted WHERE before < $2),
-- The rest of a split parcel becomes a new parcel.
rest AS (
  INSERT INTO delivery_parcels (institution_id, first_id, document_ids)
  SELECT institution_id, document_ids[room + 1], document_ids[room + 1:]
  FROM chosen WHERE room < cardinality(document_ids))
-- The claim: a ticket, and a lease by the database's clock, which is the same for every node and never advanced.
UPDATE delivery_parcels d
SET ticket = $3, leased_until = clock_timestamp() + $4::float8 * interval '1 millisecond',
    document_ids = chosen.document_ids[:chosen.room]
FROM chosen WHERE d.institution_id = chosen.institution_id AND d.first_id = chosen.first_id
RETURNING d.institution_id, d.document_ids
