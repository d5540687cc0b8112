-- What was answered to the items of a keyed send, a row for each request. The key and the items are
-- told by keyed hashes alone. A record of a hundred items fits into its page: kept out of line it
-- would be three more rows.
CREATE TABLE idempotency_records (
  institution_id uuid NOT NULL,
  key_tag        bytea NOT NULL,
  seq            integer NOT NULL,
  recorded_at    bigint NOT NULL,
  verdicts       bytea NOT NULL,
  PRIMARY KEY (institution_id, key_tag, seq)
) WITH (toast_tuple_target = 8160);
ALTER TABLE idempotency_records ALTER COLUMN verdicts SET STORAGE EXTERNAL;
CREATE INDEX idempotency_records_by_time ON idempotency_records (recorded_at);
