-- Packs rows of one document each into parcels. $1 maximum number of rows, $2 documents per parcel.
-- Rows that no node holds.
WITH free AS MATERIALIZED (
  SELECT institution_id, document_id FROM deliveries
  WHERE leased_until IS NULL OR leased_until <= clock_timestamp()
  ORDER BY institution_id, document_id LIMIT $1 FOR UPDATE SKIP LOCKED),
-- Delete the rows.
old AS (
  DELETE FROM deliveries d USING free
  WHERE d.institution_id = free.institution_id AND d.document_id = free.document_id
  RETURNING d.institution_id, d.document_id),
-- The minute in an id, which documents accepted together share.
timed AS (
  SELECT institution_id, document_id,
         ('x' || left(replace(document_id::text, '-', ''), 12))::bit(48)::bigint / 60000 AS minute
  FROM old),
-- The number of the parcel within the minute.
placed AS (
  SELECT institution_id, document_id, minute,
         (row_number() OVER (PARTITION BY institution_id, minute ORDER BY document_id) - 1) / $2 AS parcel
  FROM timed),
-- The parcels.
packed AS (
  SELECT institution_id, array_agg(document_id ORDER BY document_id) AS document_ids
  FROM placed GROUP BY institution_id, minute, parcel)
-- Insert them in place of the rows.
INSERT INTO delivery_parcels (institution_id, first_id, document_ids)
SELECT institution_id, document_ids[1], document_ids FROM packed
RETURNING cardinality(document_ids) AS documents
