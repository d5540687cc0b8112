-- A link leads to its document; links to a new PIN are apart, so that a program of the version before takes none of
-- them for one to sign in by. Birthdays are tried as rarely as PINs.

ALTER TABLE login_links ADD COLUMN document_id BLOB;
ALTER TABLE authentications ADD COLUMN birthday_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE authentications ADD COLUMN birthday_locked_until INTEGER;
CREATE INDEX login_links_unused ON login_links (person_id) WHERE used_at IS NULL;

CREATE TABLE new_pin_links (
  token_hash BLOB NOT NULL PRIMARY KEY,
  person_id  BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX new_pin_links_by_person ON new_pin_links (person_id);
CREATE INDEX new_pin_links_by_time ON new_pin_links (expires_at);

-- A contract may open documents without authentication, and name what of a payload a card shows.
CREATE TABLE contracts_new (
  contract_id    BLOB NOT NULL PRIMARY KEY,
  institution_id BLOB NOT NULL REFERENCES institutions,
  authentication TEXT NOT NULL CHECK (authentication IN ('pin', 'certificate', 'none')),
  certified      INTEGER NOT NULL,
  closed_at      INTEGER,
  card           TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO contracts_new (contract_id, institution_id, authentication, certified, closed_at)
  SELECT contract_id, institution_id, authentication, certified, closed_at FROM contracts;
DROP TABLE contracts;
ALTER TABLE contracts_new RENAME TO contracts;
CREATE INDEX contracts_by_institution ON contracts (institution_id, contract_id);

-- The picture by which people know an institution.
CREATE TABLE institution_marks (
  institution_id BLOB NOT NULL PRIMARY KEY REFERENCES institutions,
  picture        BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What people agreed to when they joined: each text once, and who agreed to it when.
CREATE TABLE agreed_texts (
  text_hash BLOB NOT NULL PRIMARY KEY,
  text      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE agreements (
  person_id BLOB NOT NULL,
  text_hash BLOB NOT NULL REFERENCES agreed_texts,
  agreed_at INTEGER NOT NULL,
  PRIMARY KEY (person_id, text_hash)
) STRICT, WITHOUT ROWID;
