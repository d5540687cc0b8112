-- Claims parcels of the given institutions under one ticket. $1 institutions, $2 documents of each at most, $3 ticket,
-- $4 lease in milliseconds, $5 rows of each at most: every row that is looked at here is locked, which costs more than
-- to deliver it.
-- Free parcels, oldest first. Skips rows that another worker has locked.
WITH free AS MATERIALIZED (
  SELECT q.institution_id, q.parcel_id, q.first_position, q.positions, turn.wanted
  FROM unnest($1::uuid[], $2::bigint[]) AS turn (institution_id, wanted)
  CROSS JOIN LATERAL (
    SELECT d.institution_id, d.parcel_id, d.first_position, d.positions FROM deliveries d
    WHERE d.institution_id = turn.institution_id
      AND (d.leased_until IS NULL OR d.leased_until <= clock_timestamp())
    ORDER BY d.parcel_id, d.first_position LIMIT $5::bigint FOR UPDATE SKIP LOCKED) q),
-- The number of the institution's documents before each parcel.
counted AS (
  SELECT institution_id, parcel_id, first_position, positions, wanted,
         sum(length(positions)) OVER (PARTITION BY institution_id ORDER BY parcel_id, first_position)
           - length(positions) AS before
  FROM free),
-- Parcels that fit, and how many documents of the last one do.
chosen AS MATERIALIZED (
  SELECT institution_id, parcel_id, first_position, positions,
         least(length(positions), wanted - before)::integer AS room
  FROM counted WHERE before < wanted),
-- The rest of a split parcel becomes a row of its own.
rest AS (
  INSERT INTO deliveries (institution_id, parcel_id, first_position, positions)
  SELECT institution_id, parcel_id, get_byte(positions, room), substr(positions, room + 1)
  FROM chosen WHERE room < length(positions))
-- The claim: a ticket, and a lease by the database's clock, which is the same for every node and never advanced.
UPDATE deliveries d
SET ticket = $3, leased_until = clock_timestamp() + $4::float8 * interval '1 millisecond',
    positions = substr(chosen.positions, 1, chosen.room)
FROM chosen
WHERE d.institution_id = ANY (ARRAY[chosen.institution_id]) AND d.parcel_id = chosen.parcel_id
  AND d.first_position = chosen.first_position
RETURNING d.institution_id, d.parcel_id, d.positions
