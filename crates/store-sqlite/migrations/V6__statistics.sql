-- Statistics (SPEC 11): documents by day (YYYYMMDD in Seoul), contract and kind. A kind is the number of an event type,
-- or above 100 that of a refusal.
CREATE TABLE statistics (
  institution_id BLOB NOT NULL,
  day            INTEGER NOT NULL,
  contract_id    BLOB NOT NULL,
  kind           INTEGER NOT NULL,
  documents      INTEGER NOT NULL,
  PRIMARY KEY (institution_id, day, contract_id, kind)
) STRICT, WITHOUT ROWID;

-- What the ledger has so far. What was refused before is not known.
INSERT INTO statistics (institution_id, day, contract_id, kind, documents)
SELECT l.institution_id, CAST(strftime('%Y%m%d', l.at + 32400, 'unixepoch') AS INTEGER) AS day,
       coalesce(p.contract_id, zeroblob(16)), l.event_type, sum(l.event_count)
FROM ledger l LEFT JOIN parcels p ON p.parcel_id = l.parcel_id
WHERE l.event_type IN (1, 3, 8, 9, 10) AND l.parcel_id IS NOT NULL
GROUP BY 1, 2, 3, 4;
