-- What institutions announce, and what came without (SPEC 9). Days are YYYYMMDD in Asia/Seoul;
-- state is 0 announced, 1 approved, 2 declined.
CREATE TABLE volume_plans (
  plan_id           uuid PRIMARY KEY,
  institution_id    uuid NOT NULL REFERENCES institutions,
  name              text NOT NULL,
  from_day          integer NOT NULL,
  to_day            integer NOT NULL,
  documents_per_day bigint NOT NULL,
  expected_tps      integer NOT NULL,
  purpose           text NOT NULL,
  announced_at      bigint NOT NULL,
  state             smallint NOT NULL DEFAULT 0,
  decided_at        bigint
);
CREATE INDEX volume_plans_by_institution ON volume_plans (institution_id, plan_id);
CREATE INDEX volume_plans_waiting ON volume_plans (plan_id) WHERE state = 0;

CREATE TABLE volume_alerts (
  institution_id uuid NOT NULL,
  day            integer NOT NULL,
  accepted       bigint NOT NULL,
  expected       bigint NOT NULL,
  raised_at      bigint NOT NULL,
  told_at        bigint,
  PRIMARY KEY (institution_id, day)
);
CREATE INDEX volume_alerts_untold ON volume_alerts (raised_at) WHERE told_at IS NULL;

CREATE INDEX daily_counts_by_day ON daily_counts (day);
