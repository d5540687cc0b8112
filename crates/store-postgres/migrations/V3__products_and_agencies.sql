-- A contract is a product (SPEC 14): also who notifies the person. The template is that of the institution's own
-- channel.
ALTER TABLE contracts ADD COLUMN notice text NOT NULL DEFAULT 'platform'
  CHECK (notice IN ('platform', 'institution', 'none'));
CREATE TABLE institution_templates (
  institution_id uuid NOT NULL REFERENCES institutions,
  kind           text NOT NULL,
  body           text NOT NULL,
  PRIMARY KEY (institution_id, kind)
);

-- Who administers (SPEC 11): kind 0 is an operator, 1 an agency. An institution without an agency is the operators' own.
CREATE TABLE admins (
  admin_id   uuid PRIMARY KEY,
  kind       smallint NOT NULL,
  name       text NOT NULL,
  created_at bigint NOT NULL,
  closed_at  bigint
);
CREATE INDEX admins_by_kind ON admins (kind, admin_id);
CREATE TABLE admin_tokens (
  token_hash       bytea PRIMARY KEY,
  token_id         uuid NOT NULL UNIQUE,
  admin_id         uuid NOT NULL REFERENCES admins,
  label            text NOT NULL,
  expires_at       bigint,
  revoked_at       bigint,
  last_used_at     bigint,
  allowed_networks text
);
CREATE INDEX admin_tokens_by_admin ON admin_tokens (admin_id, token_id);

-- `allowed_networks` holds networks in CIDR notation, separated by commas; NULL means anywhere.
ALTER TABLE access_tokens ADD COLUMN allowed_networks text;
ALTER TABLE institutions ADD COLUMN agency_id uuid;
ALTER TABLE institutions ADD COLUMN contact text;
ALTER TABLE institutions ADD COLUMN suspended_at bigint;
-- Who suspended it, a kind of admins: an agency does not lift an operator's suspension.
ALTER TABLE institutions ADD COLUMN suspended_by smallint;
CREATE INDEX institutions_by_agency ON institutions (agency_id, institution_id) WHERE agency_id IS NOT NULL;

-- What operators and agencies did: every call that changed something or looked at a document. `on_what` holds ids,
-- separated by spaces.
CREATE TABLE admin_actions (
  action_id      uuid PRIMARY KEY,
  at             bigint NOT NULL,
  by_whom        text NOT NULL,
  token          text NOT NULL,
  from_address   text,
  what           text NOT NULL,
  on_what        text NOT NULL,
  institution_id uuid,
  status         integer NOT NULL,
  reason         text
);
CREATE INDEX admin_actions_by_institution ON admin_actions (institution_id, action_id)
  WHERE institution_id IS NOT NULL;
