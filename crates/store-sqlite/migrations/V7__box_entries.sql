-- Whose documents are whose, in blocks of 2^20 documents in the order of their acceptance. People are in no
-- order, so an index over all documents changed a page of its own for nearly every document. Here they are
-- filed a lot at a time and in order, into a block that stays small however many are kept.
CREATE TABLE box_entries (
  block       INTEGER NOT NULL,
  person_id   BLOB NOT NULL,
  document_no INTEGER NOT NULL,
  PRIMARY KEY (block, person_id, document_no)
) STRICT, WITHOUT ROWID;
INSERT INTO box_entries (block, person_id, document_no)
  SELECT document_no >> 20, person_id, document_no FROM documents ORDER BY 1, 2, 3;
-- The last document that is filed; what came after it is kept in memory, and read again at the start.
INSERT INTO deployment (name, value) SELECT 'filed_to', coalesce(max(document_no), 0) FROM documents;
DROP INDEX documents_by_person;
