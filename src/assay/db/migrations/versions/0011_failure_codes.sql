-- Why a run failed stands on its row, so that a list can be asked for it. Runs that did not fail stand in no index of it.

ALTER TABLE runs
    ADD COLUMN error_code text,
    ADD COLUMN error_step text;                                     -- null: it failed outside of any step

UPDATE runs
SET error_code = result.failure->>'code', error_step = result.failure->>'step'
FROM run_results result
WHERE result.run_id = runs.id AND runs.outcome IN ('failed', 'rejected') AND result.failure IS NOT NULL;

CREATE INDEX runs_by_error_code ON runs (organization_id, automation_id, error_code, created_at DESC, id DESC)
    INCLUDE (error_step, outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at,
        review_state, review_standing, review_created_at)
    WHERE error_code IS NOT NULL;
CREATE INDEX runs_by_error_step ON runs (organization_id, automation_id, error_step, created_at DESC, id DESC)
    INCLUDE (error_code, outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at,
        review_state, review_standing, review_created_at)
    WHERE error_step IS NOT NULL;
