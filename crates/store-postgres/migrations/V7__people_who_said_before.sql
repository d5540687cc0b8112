UPDATE people SET has_said = true WHERE NOT has_said AND person_id IN (SELECT person_id FROM refusals);
