-- A telephone number can pass on to its next owner: the former owner then has none. `phone_assigned_on` is the day
-- (YYYYMMDD) since which the number is the person's, `phone_changed_at` when it last changed here.
ALTER TABLE people ALTER COLUMN phone_index DROP NOT NULL;
ALTER TABLE people ADD COLUMN phone_assigned_on integer;
ALTER TABLE people ADD COLUMN phone_changed_at bigint;
UPDATE people SET phone_assigned_on = to_char(now() AT TIME ZONE 'Asia/Seoul', 'YYYYMMDD')::integer;
ALTER TABLE people ALTER COLUMN phone_assigned_on SET NOT NULL;
