-- Finishes documents under their tickets. $1 to $7 are the documents: institution, parcel, position, ticket, outcome,
-- next attempt and failure; $8 is now, $9 the tickets, $10 the type of the event of those that are given up.
-- Outcomes: 0 accepted by the messenger, 1 retry, 2 given up, 3 expired, 4 later without an attempt: the day of
-- attempts then begins anew.
-- The worker's outcomes.
WITH done AS MATERIALIZED (
  SELECT institution_id, parcel_id, position, document_in(parcel_id, position) AS document_id, ticket, outcome,
         not_before, failure
  FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::bigint[], $5::smallint[], $6::bigint[], $7::smallint[])
    AS done (institution_id, parcel_id, position, ticket, outcome, not_before, failure)),
-- The rows that are still held under these tickets.
held AS MATERIALIZED (
  SELECT q.institution_id, q.parcel_id, q.first_position, q.positions, q.ticket FROM deliveries q
  WHERE q.ticket = ANY($9::bigint[]) AND q.leased_until > clock_timestamp()
  -- In one order, so that two transactions cannot deadlock; as a row, which no index is ordered by: otherwise the
  -- plan would read the whole queue in that order.
  ORDER BY (q.institution_id, q.parcel_id, q.first_position) FOR UPDATE),
-- Combines held and done by grouping: a join would compare each with each.
own AS MATERIALIZED (
  SELECT institution_id, ticket, parcel_id, position, max(first_position) AS first_position, max(outcome) AS outcome,
         max(not_before) AS not_before, max(failure) AS failure
  FROM (
    SELECT institution_id, ticket, parcel_id, get_byte(positions, i) AS position, first_position,
           NULL::smallint AS outcome, NULL::bigint AS not_before, NULL::smallint AS failure
    FROM held CROSS JOIN LATERAL generate_series(0, length(positions) - 1) AS i
    UNION ALL
    SELECT institution_id, ticket, parcel_id, position, NULL, outcome, not_before, failure FROM done) AS held_and_done
  GROUP BY institution_id, ticket, parcel_id, position HAVING max(first_position) IS NOT NULL),
-- Documents of held rows that have an outcome.
fresh AS (
  SELECT institution_id, ticket, document_in(parcel_id, position) AS document_id, outcome, not_before, failure
  FROM own WHERE outcome IS NOT NULL),
-- The remaining documents of each row; NULL if there are none.
left_over AS MATERIALIZED (
  SELECT institution_id, parcel_id, first_position,
         string_agg(set_byte('\x00'::bytea, 0, position), ''::bytea ORDER BY position)
           FILTER (WHERE outcome IS NULL) AS positions
  FROM own GROUP BY institution_id, ticket, parcel_id, first_position HAVING count(outcome) > 0),
-- Delete rows without remaining documents.
gone AS (
  DELETE FROM deliveries q USING left_over
  WHERE q.institution_id = ANY (ARRAY[left_over.institution_id]) AND q.parcel_id = left_over.parcel_id
    AND q.first_position = left_over.first_position AND left_over.positions IS NULL RETURNING 1),
-- Update rows with remaining documents.
cut AS (
  UPDATE deliveries q SET positions = left_over.positions FROM left_over
  WHERE q.institution_id = ANY (ARRAY[left_over.institution_id]) AND q.parcel_id = left_over.parcel_id
    AND q.first_position = left_over.first_position AND left_over.positions IS NOT NULL RETURNING 1),
-- Delete retries that have ended.
again AS (
  DELETE FROM delivery_retries q USING done
  WHERE q.institution_id = ANY (ARRAY[done.institution_id]) AND q.document_id = ANY (ARRAY[done.document_id])
    AND q.ticket = done.ticket AND q.leased_until > clock_timestamp() AND done.outcome NOT IN (1, 4)
  RETURNING q.institution_id, q.document_id, done.ticket, done.outcome, done.failure, q.attempts, q.first_attempt_at),
-- Reschedule retries that failed again.
later AS (
  UPDATE delivery_retries q
  SET attempts = q.attempts + CASE done.outcome WHEN 1 THEN 1 ELSE 0 END,
      first_attempt_at = CASE done.outcome WHEN 1 THEN q.first_attempt_at ELSE $8 END, not_before = done.not_before, failure = done.failure, ticket = NULL, leased_until = NULL
  FROM done
  WHERE q.institution_id = ANY (ARRAY[done.institution_id]) AND q.document_id = ANY (ARRAY[done.document_id])
    AND q.ticket = done.ticket AND q.leased_until > clock_timestamp() AND done.outcome IN (1, 4)
  RETURNING q.document_id, done.ticket),
-- Schedule first failures for a retry.
retried AS (
  INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at, failure)
  SELECT institution_id, document_id, not_before, CASE outcome WHEN 1 THEN 1 ELSE 0 END, $8, failure
  FROM fresh WHERE outcome IN (1, 4)
  ON CONFLICT DO NOTHING),
-- Record notices that are given up, with their attempts.
noted AS (
  INSERT INTO given_up_notices AS n (document_id, institution_id, attempts, first_attempt_at, given_up_at, failure)
  SELECT document_id, institution_id, attempts, first_attempt_at, $8, failure FROM (
    SELECT document_id, institution_id, 1 AS attempts, $8::bigint AS first_attempt_at, failure
    FROM fresh WHERE outcome = 2
    UNION ALL
    SELECT document_id, institution_id, attempts + 1, first_attempt_at, failure FROM again WHERE outcome = 2) AS given_up
  ON CONFLICT (document_id) DO UPDATE SET attempts = excluded.attempts,
    first_attempt_at = excluded.first_attempt_at, given_up_at = excluded.given_up_at,
    failure = excluded.failure
  RETURNING n.document_id, n.institution_id),
-- The feed tells of those.
told AS (
  INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
  SELECT institution_id, $10::smallint, 1, $8, parcel_of(document_id), document_set(place_of(document_id)) FROM noted)
-- The documents that were held and are now finished, and how many rows of the queue left a dead version to vacuum.
SELECT finished.document_id, finished.ticket,
       (SELECT count(*) FROM gone) + (SELECT count(*) FROM cut) AS rows_gone
FROM (SELECT document_id, ticket FROM fresh UNION ALL SELECT document_id, ticket FROM again
      UNION ALL SELECT document_id, ticket FROM later) AS finished
