-- A link leads to its document, or to a new PIN, for which birthdays are tried as rarely as PINs.

ALTER TABLE login_links ADD COLUMN document_id uuid;
ALTER TABLE login_links ADD COLUMN sets_pin boolean NOT NULL DEFAULT false;
ALTER TABLE authentications ADD COLUMN birthday_failures bigint NOT NULL DEFAULT 0;
ALTER TABLE authentications ADD COLUMN birthday_locked_until bigint;

-- A contract may open documents without authentication, and name what of a payload a card shows.
ALTER TABLE contracts DROP CONSTRAINT contracts_authentication_check;
ALTER TABLE contracts ADD CONSTRAINT contracts_authentication_check
  CHECK (authentication IN ('pin', 'certificate', 'none'));
ALTER TABLE contracts ADD COLUMN card text;

-- The picture by which people know an institution.
CREATE TABLE institution_marks (
  institution_id uuid PRIMARY KEY REFERENCES institutions,
  picture        bytea NOT NULL
);

-- What people agreed to when they joined: each text once, and who agreed to it when.
CREATE TABLE agreed_texts (
  text_hash bytea PRIMARY KEY,
  text      text NOT NULL
);
CREATE TABLE agreements (
  person_id uuid NOT NULL,
  text_hash bytea NOT NULL REFERENCES agreed_texts,
  agreed_at bigint NOT NULL,
  PRIMARY KEY (person_id, text_hash)
);
