-- Who changed, for the nodes' caches of people: every transaction that changes what sending reads of a person leaves the
-- person here. A node reads on from the oldest transaction that was under way when it last looked, so that no commit can
-- come in behind it (a sequence would allow that).
CREATE TABLE people_changes (
  change_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  person_id  uuid NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX people_changes_by_xid ON people_changes (change_xid);

-- The changes of transactions before this one are gone: a node that has not read them does not know who changed.
CREATE TABLE people_changes_forgotten (
  only_row boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
  below    xid8 NOT NULL
);
INSERT INTO people_changes_forgotten (below) VALUES ('0');

-- Triggers, so that no writer can forget it, of whichever version of the program.
CREATE FUNCTION person_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
  INSERT INTO people_changes (person_id) VALUES (coalesce(NEW.person_id, OLD.person_id));
  RETURN NULL;
END $$;
CREATE TRIGGER person_changed AFTER UPDATE ON people FOR EACH ROW
  WHEN ((OLD.phone_index, OLD.ci_index, OLD.birthday_tag, OLD.name_tag, OLD.wrapped_key, OLD.behaviour,
         OLD.member_since)
        IS DISTINCT FROM
        (NEW.phone_index, NEW.ci_index, NEW.birthday_tag, NEW.name_tag, NEW.wrapped_key, NEW.behaviour,
         NEW.member_since))
  EXECUTE FUNCTION person_changed();
CREATE TRIGGER person_removed AFTER DELETE ON people FOR EACH ROW EXECUTE FUNCTION person_changed();
CREATE TRIGGER refusal_changed AFTER INSERT OR UPDATE OR DELETE ON refusals FOR EACH ROW
  EXECUTE FUNCTION person_changed();
