-- What waits to be announced, a row for documents that were accepted one after the other: all of a
-- request at first, and what is left of it as they are announced.
CREATE TABLE delivery_ranges (
  institution_id BLOB NOT NULL,
  first_no       INTEGER NOT NULL,
  last_no        INTEGER NOT NULL CHECK (last_no >= first_no),
  PRIMARY KEY (institution_id, first_no)
) STRICT, WITHOUT ROWID;
INSERT INTO delivery_ranges (institution_id, first_no, last_no)
  SELECT institution_id, document_no, document_no FROM deliveries;
DROP TABLE deliveries;
