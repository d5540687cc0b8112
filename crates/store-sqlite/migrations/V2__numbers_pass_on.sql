-- A telephone number can pass on to its next owner: the former owner then has none. `phone_assigned_on` is the day
-- (YYYYMMDD) since which the number is the person's, `phone_changed_at` when it last changed here.
CREATE TABLE people_rebuilt (
  person_id         BLOB NOT NULL PRIMARY KEY,
  phone_index       BLOB UNIQUE,
  phone_assigned_on INTEGER NOT NULL,
  phone_changed_at  INTEGER,
  ci_index          BLOB UNIQUE,
  birthday_tag      BLOB NOT NULL,
  name_tag          BLOB NOT NULL,
  wrapped_key       BLOB NOT NULL,
  sealed            BLOB NOT NULL,
  behaviour         INTEGER NOT NULL,
  member_since      INTEGER,
  pin_hash          TEXT
) STRICT;
INSERT INTO people_rebuilt
  SELECT person_id, phone_index, CAST(strftime('%Y%m%d', 'now', '+9 hours') AS INTEGER), NULL, ci_index, birthday_tag,
    name_tag, wrapped_key, sealed, behaviour, member_since, pin_hash
  FROM people;
DROP TABLE people;
ALTER TABLE people_rebuilt RENAME TO people;
