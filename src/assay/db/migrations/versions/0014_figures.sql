-- What pages and health add up is answered by indexes alone: of the sample, of what is open, of the few runs that two
-- people saw, and of the few scores that a judge gave. Runs outside of the sample are written to none of these.

DROP INDEX runs_sampled;
CREATE INDEX runs_sampled ON runs (organization_id, automation_id, review_state, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, completed_at, version_id, parent_run_id, sample_stratum, sample_probability,
        review_rating, review_created_at)
    WHERE sampled;

DROP INDEX feedback_debt;
CREATE INDEX feedback_debt ON feedback (organization_id, automation_id, created_at) INCLUDE (regressed)
    WHERE status = 'open';

CREATE INDEX review_items_doubled ON review_items (organization_id, automation_id) INCLUDE (run_id)
    WHERE slots > 1 AND state <> 'open';
CREATE INDEX verdicts_blind ON verdicts (run_id, reviewer) INCLUDE (blind_rating, created_at)
    WHERE blind_rating IS NOT NULL;
DROP INDEX verdicts_by_reviewer;
CREATE INDEX verdicts_by_reviewer ON verdicts (organization_id, reviewer, created_at DESC) INCLUDE (rating, seconds);

CREATE INDEX scores_of_judges ON scores (run_id) INCLUDE (organization_id, evaluator_name, passed)
    WHERE evaluator_type = 'llm-judge' AND passed IS NOT NULL;

-- Sooner than usual, for the same reason as `runs`: a row that changed is visited until the next vacuum.
ALTER TABLE feedback SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE verdicts SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE review_items SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
