-- Whether a person has said anything about an institution: few have, and for the others sending need not look
-- among the refusals. A trigger keeps it, so that no writer can forget, nor a node of the version before.
-- Those who have by now are filled in by the next step, which holds their rows and not the table.
CREATE FUNCTION person_has_said() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
  UPDATE people SET has_said = true WHERE person_id = NEW.person_id AND NOT has_said;
  RETURN NULL;
END $$;
-- First the table that a refusal is written to first: whoever refuses now and this do not wait for one another.
CREATE TRIGGER person_has_said AFTER INSERT ON refusals FOR EACH ROW EXECUTE FUNCTION person_has_said();
ALTER TABLE people ADD COLUMN has_said boolean NOT NULL DEFAULT false;
