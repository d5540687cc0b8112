-- Accepted and not yet announced, a row for documents that were accepted together: a hundred are inserted,
-- leased and removed as one. What is announced is taken out of the row, in whatever order. first_id is that
-- of its first document at first, by which rows are served in turn.
CREATE TABLE delivery_parcels (
  institution_id uuid NOT NULL,
  first_id       uuid NOT NULL,
  document_ids   uuid[] NOT NULL CHECK (cardinality(document_ids) > 0),
  ticket         bigint,
  leased_until   timestamptz,
  PRIMARY KEY (institution_id, first_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
CREATE INDEX delivery_parcels_held ON delivery_parcels (ticket) WHERE ticket IS NOT NULL;
-- deliveries stays for nodes of the version before and for what is moved from an embedded store. Workers
-- make parcels of its rows once a minute.

-- Reports write documents anew, beside what they were (see partitions.rs); months that come are made so.
DO $$ DECLARE month regclass; BEGIN
  FOR month IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'documents'::regclass LOOP
    EXECUTE format('ALTER TABLE %s SET (fillfactor = 52)', month);
  END LOOP;
END $$;
