-- Whether a person has said anything about an institution: few have, and for the others sending need not look
-- among the refusals. A trigger keeps it, so that no writer can forget, nor a node of the version before.
ALTER TABLE people ADD COLUMN has_said boolean NOT NULL DEFAULT false;

CREATE FUNCTION person_has_said() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE people SET has_said = true WHERE person_id = NEW.person_id AND NOT has_said;
  RETURN NULL;
END $$;
CREATE TRIGGER person_has_said AFTER INSERT ON refusals FOR EACH ROW EXECUTE FUNCTION person_has_said();

UPDATE people SET has_said = true WHERE person_id IN (SELECT person_id FROM refusals);
