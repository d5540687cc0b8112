-- Finishes documents under their tickets. $1 to $5 and $10 are the documents with their institutions, tickets, outcomes,
-- next attempts and failures; $6 is now, $7 and $8 the documents' marks for given up and expired, $9 the tickets.
-- Outcomes: 0 delivered, 1 retry, 2 given up, 3 expired.
-- The worker's outcomes.
WITH done AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::smallint[], $5::bigint[], $10::smallint[])
    AS done (institution_id, document_id, ticket, outcome, not_before, failure)),
-- The parcels that are still held under these tickets.
held AS MATERIALIZED (
  SELECT row_number() OVER () AS parcel, locked.* FROM (
    SELECT q.institution_id, q.first_id, q.document_ids, q.ticket FROM delivery_parcels q
    WHERE q.ticket = ANY($9::bigint[]) AND q.leased_until > clock_timestamp()
    ORDER BY q.institution_id, q.first_id FOR UPDATE) AS locked),
-- Combines held and done by grouping: a join would compare each with each.
own AS MATERIALIZED (
  SELECT max(parcel) AS parcel, ticket, document_id, max(outcome) AS outcome, max(not_before) AS not_before,
         max(failure) AS failure
  FROM (
    SELECT parcel, ticket, unnest(document_ids) AS document_id, NULL::smallint AS outcome, NULL::bigint AS not_before,
           NULL::smallint AS failure
    FROM held
    UNION ALL SELECT NULL, ticket, document_id, outcome, not_before, failure FROM done) AS held_and_done
  GROUP BY ticket, document_id HAVING max(parcel) IS NOT NULL),
-- Documents of parcels that have an outcome.
fresh AS (
  SELECT held.institution_id, own.ticket, own.document_id, own.outcome, own.not_before, own.failure
  FROM own JOIN held USING (parcel) WHERE own.outcome IS NOT NULL),
-- The remaining documents of each parcel; NULL if there are none.
left_over AS MATERIALIZED (
  SELECT held.institution_id, held.first_id, kept.document_ids FROM (
    SELECT parcel, array_agg(document_id ORDER BY document_id) FILTER (WHERE outcome IS NULL) AS document_ids
    FROM own GROUP BY parcel HAVING count(outcome) > 0) AS kept
  JOIN held USING (parcel)),
-- Delete parcels without remaining documents.
gone AS (
  DELETE FROM delivery_parcels q USING left_over
  WHERE q.institution_id = left_over.institution_id AND q.first_id = left_over.first_id
    AND left_over.document_ids IS NULL RETURNING 1),
-- Update parcels with remaining documents.
cut AS (
  UPDATE delivery_parcels q SET document_ids = left_over.document_ids FROM left_over
  WHERE q.institution_id = left_over.institution_id AND q.first_id = left_over.first_id
    AND left_over.document_ids IS NOT NULL RETURNING 1),
-- Delete retries that have ended.
again AS (
  DELETE FROM delivery_retries q USING done
  WHERE q.institution_id = done.institution_id AND q.document_id = done.document_id
    AND q.ticket = done.ticket AND q.leased_until > clock_timestamp() AND done.outcome <> 1
  RETURNING q.document_id, done.ticket, done.outcome, done.failure, q.attempts, q.first_attempt_at),
-- Reschedule retries that failed again.
later AS (
  UPDATE delivery_retries q
  SET attempts = q.attempts + 1, not_before = done.not_before, failure = done.failure, ticket = NULL, leased_until = NULL
  FROM done
  WHERE q.institution_id = done.institution_id AND q.document_id = done.document_id
    AND q.ticket = done.ticket AND q.leased_until > clock_timestamp() AND done.outcome = 1
  RETURNING q.document_id, done.ticket),
-- Schedule first failures for a retry.
retried AS (
  INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at, failure)
  SELECT institution_id, document_id, not_before, 1, $6, failure FROM fresh WHERE outcome = 1
  ON CONFLICT DO NOTHING),
-- Record notices that are given up, with their attempts.
noted AS (
  INSERT INTO given_up_notices AS n (document_id, attempts, first_attempt_at, given_up_at, failure)
  SELECT document_id, attempts, first_attempt_at, $6, failure FROM (
    SELECT document_id, 1 AS attempts, $6::bigint AS first_attempt_at, failure FROM fresh WHERE outcome = 2
    UNION ALL
    SELECT document_id, attempts + 1, first_attempt_at, failure FROM again WHERE outcome = 2) AS given_up
  ON CONFLICT (document_id) DO UPDATE SET attempts = excluded.attempts,
    first_attempt_at = excluded.first_attempt_at, given_up_at = excluded.given_up_at,
    failure = excluded.failure),
-- Mark the documents, unless a report came first.
ended AS (
  UPDATE documents d SET notification = CASE ended.outcome WHEN 2 THEN $7::smallint ELSE $8::smallint END
  FROM (SELECT document_id, outcome FROM fresh UNION ALL SELECT document_id, outcome FROM again) AS ended
  WHERE d.document_id = ended.document_id AND ended.outcome IN (2, 3) AND d.notification = 0
    AND d.notified_at IS NULL)
-- The documents that were held and are now finished, and how many parcel rows left a dead version to vacuum.
SELECT finished.document_id, finished.ticket,
       (SELECT count(*) FROM gone) + (SELECT count(*) FROM cut) AS rows_gone
FROM (SELECT document_id, ticket FROM fresh UNION ALL SELECT document_id, ticket FROM again
      UNION ALL SELECT document_id, ticket FROM later) AS finished
