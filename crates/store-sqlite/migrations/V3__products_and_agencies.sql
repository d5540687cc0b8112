-- A contract is a product (SPEC 14): also who notifies the person. The template is that of the institution's own
-- channel.
ALTER TABLE contracts ADD COLUMN notice TEXT NOT NULL DEFAULT 'platform'
  CHECK (notice IN ('platform', 'institution', 'none'));
CREATE TABLE institution_templates (
  institution_id BLOB NOT NULL REFERENCES institutions,
  kind           TEXT NOT NULL,
  body           TEXT NOT NULL,
  PRIMARY KEY (institution_id, kind)
) STRICT, WITHOUT ROWID;

-- Who administers (SPEC 11): kind 0 is an operator, 1 an agency. An institution without an agency is the operators' own.
CREATE TABLE admins (
  admin_id   BLOB NOT NULL PRIMARY KEY,
  kind       INTEGER NOT NULL,
  name       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  closed_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX admins_by_kind ON admins (kind, admin_id);
CREATE TABLE admin_tokens (
  token_hash       BLOB NOT NULL PRIMARY KEY,
  token_id         BLOB NOT NULL UNIQUE,
  admin_id         BLOB NOT NULL REFERENCES admins,
  label            TEXT NOT NULL,
  expires_at       INTEGER,
  revoked_at       INTEGER,
  last_used_at     INTEGER,
  allowed_networks TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX admin_tokens_by_admin ON admin_tokens (admin_id, token_id);

-- `allowed_networks` holds networks in CIDR notation, separated by commas; NULL means anywhere.
ALTER TABLE access_tokens ADD COLUMN allowed_networks TEXT;
ALTER TABLE institutions ADD COLUMN agency_id BLOB;
ALTER TABLE institutions ADD COLUMN contact TEXT;
ALTER TABLE institutions ADD COLUMN suspended_at INTEGER;
-- Who suspended it, a kind of admins: an agency does not lift an operator's suspension.
ALTER TABLE institutions ADD COLUMN suspended_by INTEGER;
CREATE INDEX institutions_by_agency ON institutions (agency_id, institution_id) WHERE agency_id IS NOT NULL;

-- What operators and agencies did: every call that changed something or looked at a document. `on_what` holds ids,
-- separated by spaces.
CREATE TABLE admin_actions (
  action_id      BLOB NOT NULL PRIMARY KEY,
  at             INTEGER NOT NULL,
  by_whom        TEXT NOT NULL,
  token          TEXT NOT NULL,
  from_address   TEXT,
  what           TEXT NOT NULL,
  on_what        TEXT NOT NULL,
  institution_id BLOB,
  status         INTEGER NOT NULL,
  reason         TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX admin_actions_by_institution ON admin_actions (institution_id, action_id)
  WHERE institution_id IS NOT NULL;
