-- Whether the run that started this one waits for it: then the one is stopped with the other.
ALTER TABLE runs ADD COLUMN parent_waits boolean NOT NULL DEFAULT false;
CREATE INDEX runs_waited_for ON runs (parent_run_id) WHERE parent_waits AND outcome IS NULL;
