-- A link leads to its document; links to a new PIN are apart, so that a program of the version before takes none of
-- them for one to sign in by. Birthdays are tried as rarely as PINs.

ALTER TABLE login_links ADD COLUMN document_id uuid;
ALTER TABLE authentications ADD COLUMN birthday_failures bigint NOT NULL DEFAULT 0;
ALTER TABLE authentications ADD COLUMN birthday_locked_until bigint;
CREATE INDEX login_links_unused ON login_links (person_id) WHERE used_at IS NULL;

CREATE TABLE new_pin_links (
  token_hash bytea PRIMARY KEY,
  person_id  uuid NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX new_pin_links_by_person ON new_pin_links (person_id);
CREATE INDEX new_pin_links_by_time ON new_pin_links (expires_at);

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
