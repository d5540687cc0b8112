-- Resends waiting and given-up notices. $1 documents, $2 now.
-- Documents that can still be opened.
WITH asked AS MATERIALIZED (
  SELECT d.institution_id, d.document_id, d.notification
  FROM unnest($1::uuid[]) AS asked (id) JOIN documents d ON d.document_id = asked.id
  WHERE d.deadline_at > $2),
-- Given-up notices are open again.
reopened AS (
  UPDATE documents d SET notification = 0 FROM asked
  WHERE d.document_id = asked.document_id AND d.notification = 2
  RETURNING d.institution_id, d.document_id),
-- Forget the previous attempts.
forgotten AS (
  DELETE FROM given_up_notices n USING reopened WHERE n.document_id = reopened.document_id),
-- Queue the reopened ones as retries, due at once.
queued AS (
  INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at)
  SELECT institution_id, document_id, $2, 0, $2 FROM reopened ON CONFLICT DO NOTHING RETURNING document_id),
-- Make later retries due at once.
hurried AS (
  UPDATE delivery_retries r SET not_before = $2 FROM asked
  WHERE r.institution_id = asked.institution_id AND r.document_id = asked.document_id
    AND r.not_before > $2 RETURNING r.document_id)
SELECT document_id FROM queued UNION ALL SELECT document_id FROM hurried
