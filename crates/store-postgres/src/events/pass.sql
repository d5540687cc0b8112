-- A pass of the sequencer. $1 is the node, $2 the number of rows.
-- Only the holder of the lease goes on; another node takes it over when it has ended. A lease that ends later than one can
-- was taken under another clock.
WITH held AS MATERIALIZED (
  UPDATE sequencer SET holder = $1, leased_until = clock_timestamp() + interval '5 seconds'
  WHERE holder = $1 OR leased_until < clock_timestamp() OR leased_until > clock_timestamp() + interval '10 seconds'
  RETURNING 1),
-- What is committed, in the order in which it was inserted.
next AS MATERIALIZED (
  SELECT outbox_no FROM outbox WHERE EXISTS (SELECT FROM held) ORDER BY outbox_no LIMIT $2),
-- Only what was really taken off is numbered. The outbox is joined by its key whatever its statistics say.
taken AS MATERIALIZED (
  DELETE FROM outbox o USING next WHERE o.outbox_no = ANY (ARRAY[next.outbox_no])
  RETURNING o.outbox_no, o.institution_id, o.event_count, o.event_type, o.at, o.parcel_id, o.documents),
advanced AS (
  INSERT INTO feeds AS f (institution_id, last_seq)
  SELECT institution_id, sum(event_count)::bigint FROM taken GROUP BY institution_id ORDER BY institution_id
  ON CONFLICT (institution_id) DO UPDATE SET last_seq = f.last_seq + excluded.last_seq
  RETURNING f.institution_id, f.last_seq),
-- Numbered back from what the feed was advanced to. A pass that waited for another's row of the lease has a snapshot from
-- before that one: what it reads of feeds is old, what it updates is not.
written AS (
  INSERT INTO ledger (institution_id, last_seq, event_count, event_type, at, parcel_id, documents)
  SELECT t.institution_id,
         a.last_seq - sum(t.event_count) OVER (PARTITION BY t.institution_id)
           + sum(t.event_count) OVER (PARTITION BY t.institution_id ORDER BY t.outbox_no),
         t.event_count, t.event_type, t.at, t.parcel_id, t.documents
  FROM taken t JOIN advanced a ON a.institution_id = t.institution_id
  RETURNING 1),
-- Readers of the other nodes wait for this.
told AS MATERIALIZED (
  SELECT count(pg_notify('seoham_events', '')) AS told FROM (SELECT FROM written LIMIT 1) AS any_event)
SELECT EXISTS (SELECT FROM held) AS is_holder, (SELECT count(*) FROM written) AS moved,
       (SELECT count(*) FROM advanced) AS feeds, (SELECT told FROM told) AS told
