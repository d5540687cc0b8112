-- Sends waiting and given-up notices again. $1 and $2 are documents that can still be opened, with their institutions;
-- $3 is now.
WITH asked AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS asked (document_id, institution_id)),
-- Given-up notices are open again, with a new day of attempts.
reopened AS (
  DELETE FROM given_up_notices n USING asked WHERE n.document_id = ANY (ARRAY[asked.document_id])
  RETURNING n.institution_id, n.document_id),
-- They begin with the notification again.
notified AS (DELETE FROM fallback_notices f USING reopened WHERE f.document_id = ANY (ARRAY[reopened.document_id])),
-- Queue them as retries, due at once.
queued AS (
  INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at)
  SELECT institution_id, document_id, $3, 0, $3 FROM reopened ON CONFLICT DO NOTHING RETURNING document_id),
-- Make later retries due at once.
hurried AS (
  UPDATE delivery_retries r SET not_before = $3 FROM asked
  WHERE r.institution_id = ANY (ARRAY[asked.institution_id]) AND r.document_id = ANY (ARRAY[asked.document_id])
    AND r.not_before > $3 RETURNING r.document_id)
SELECT document_id FROM queued UNION ALL SELECT document_id FROM hurried
