-- Raises alerts of one day. $1 the day, $2 documents from which on a plan is needed, $3 now.
-- A day's documents, which every accepting connection counts in a row of its own.
WITH counted AS (
  SELECT institution_id, day, sum(accepted)::bigint AS accepted FROM daily_counts
  WHERE day = $1 GROUP BY institution_id, day),
-- Institutions that pass the bound, with what their approved plans announce.
passing AS (
  SELECT c.institution_id, c.day, c.accepted, coalesce((
      SELECT sum(p.documents_per_day) FROM volume_plans p
      WHERE p.institution_id = c.institution_id AND p.state = 1
        AND c.day BETWEEN p.from_day AND p.to_day), 0)::bigint AS planned
  FROM counted c WHERE c.accepted >= $2),
-- Those that pass their plans too; once a day.
raised AS (
  INSERT INTO volume_alerts (institution_id, day, accepted, expected, raised_at)
  SELECT institution_id, day, accepted, greatest($2, planned), $3 FROM passing WHERE accepted > planned
  ON CONFLICT DO NOTHING
  RETURNING institution_id, day, accepted, expected, raised_at)
SELECT r.*, i.name FROM raised r JOIN institutions i USING (institution_id)
