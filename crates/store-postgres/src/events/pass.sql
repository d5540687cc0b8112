-- A pass of the sequencer. $1 is the node, $2 the number of rows, $3 the event types that statistics count.
-- Only the holder of the lease goes on; another node takes it over when it has ended. A lease that ends later than one can
-- was taken under another clock.
WITH held AS MATERIALIZED (
  UPDATE sequencer SET holder = $1, leased_until = clock_timestamp() + interval '5 seconds'
  WHERE holder = $1 OR leased_until < clock_timestamp() OR leased_until > clock_timestamp() + interval '10 seconds'
  RETURNING 1),
-- What is committed, in the order in which it was inserted.
next AS MATERIALIZED (
  SELECT outbox_no FROM outbox WHERE EXISTS (SELECT FROM held) ORDER BY outbox_no LIMIT $2),
-- Only what was really taken off is numbered.
taken AS MATERIALIZED (
  DELETE FROM outbox o USING next WHERE o.outbox_no = next.outbox_no
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
-- By parcel first, which has the contract; one that is gone by now has none. This node alone counts in slot 0.
by_parcel AS MATERIALIZED (
  SELECT institution_id, seoul_day(at) AS day, parcel_id, event_type, sum(event_count) AS documents
  FROM taken WHERE event_type = ANY($3) AND parcel_id IS NOT NULL GROUP BY 1, 2, 3, 4),
by_contract AS (
  SELECT b.institution_id, b.day, b.event_type, b.documents,
         coalesce((SELECT p.contract_id FROM parcels p WHERE p.parcel_id = b.parcel_id),
                  '00000000-0000-0000-0000-000000000000') AS contract_id
  FROM by_parcel b),
counted AS (
  INSERT INTO statistics AS s (institution_id, day, contract_id, kind, slot, documents)
  SELECT institution_id, day, contract_id, event_type, 0, sum(documents)::bigint
  FROM by_contract GROUP BY institution_id, day, contract_id, event_type
  ORDER BY institution_id, day, contract_id, event_type
  ON CONFLICT (institution_id, day, contract_id, kind, slot)
  DO UPDATE SET documents = s.documents + excluded.documents),
-- Readers of the other nodes wait for this.
told AS MATERIALIZED (
  SELECT count(pg_notify('seoham_events', '')) AS told FROM (SELECT FROM written LIMIT 1) AS any_event)
SELECT EXISTS (SELECT FROM held) AS is_holder, (SELECT count(*) FROM written) AS moved,
       (SELECT count(*) FROM advanced) AS feeds, (SELECT told FROM told) AS told
