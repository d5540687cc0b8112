-- What institutions announce, and what came without (SPEC 9). Days are YYYYMMDD in Asia/Seoul;
-- state is 0 announced, 1 approved, 2 declined.
CREATE TABLE volume_plans (
  plan_id           BLOB NOT NULL PRIMARY KEY,
  institution_id    BLOB NOT NULL REFERENCES institutions,
  name              TEXT NOT NULL,
  from_day          INTEGER NOT NULL,
  to_day            INTEGER NOT NULL,
  documents_per_day INTEGER NOT NULL,
  expected_tps      INTEGER NOT NULL,
  purpose           TEXT NOT NULL,
  announced_at      INTEGER NOT NULL,
  state             INTEGER NOT NULL DEFAULT 0,
  decided_at        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_plans_by_institution ON volume_plans (institution_id, plan_id);
CREATE INDEX volume_plans_waiting ON volume_plans (plan_id) WHERE state = 0;

CREATE TABLE volume_alerts (
  institution_id BLOB NOT NULL,
  day            INTEGER NOT NULL,
  accepted       INTEGER NOT NULL,
  expected       INTEGER NOT NULL,
  raised_at      INTEGER NOT NULL,
  told_at        INTEGER,
  PRIMARY KEY (institution_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_alerts_untold ON volume_alerts (raised_at) WHERE told_at IS NULL;

CREATE INDEX daily_counts_by_day ON daily_counts (day);
