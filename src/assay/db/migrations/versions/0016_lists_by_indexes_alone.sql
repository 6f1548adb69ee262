-- Pairs of filters, and lists in order of completion, are answered by indexes alone: a filter that an index does not hold
-- was asked of each row, and where few pass it, of all rows of an automation.

DROP INDEX runs_by_automation, runs_by_state, runs_by_completion, runs_by_trigger, runs_by_person, runs_by_version,
    runs_by_mode;
CREATE INDEX runs_by_automation ON runs (organization_id, automation_id, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at, sample_rank, sampled,
        review_state, review_created_at, review_has_expected_json, review_has_expected_files, review_has_corrections,
        promoted_example_name)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_state ON runs (organization_id, automation_id, outcome, review_state, created_at DESC, id DESC)
    INCLUDE (mode, in_experiment, trigger_type, started_by, version_label, completed_at, review_created_at, sampled)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_completion ON runs (organization_id, automation_id, completed_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, created_at, trigger_type, started_by, version_label, sampled, review_state,
        review_created_at, review_has_expected_json, review_has_expected_files)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_trigger ON runs (organization_id, automation_id, trigger_type, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, started_by, version_label, completed_at, sampled, review_state,
        review_created_at, review_has_expected_json, review_has_expected_files)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_person ON runs (organization_id, automation_id, started_by, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, version_label, completed_at, sampled, review_state,
        review_created_at, review_has_expected_json, review_has_expected_files)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_version ON runs (organization_id, automation_id, version_label, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, started_by, completed_at, sampled, review_state,
        review_created_at, review_has_expected_json, review_has_expected_files)
    WHERE outcome IS NOT NULL;
CREATE INDEX runs_by_mode ON runs (organization_id, automation_id, mode, created_at DESC, id DESC)
    INCLUDE (outcome, in_experiment, trigger_type, started_by, version_label, completed_at, example_id, sampled,
        review_state, review_standing, review_created_at, review_has_expected_json, review_has_expected_files)
    WHERE outcome IS NOT NULL AND mode <> 'live';

-- Of reviewed runs alone.
DROP INDEX runs_by_standing, runs_by_review_creation, runs_by_review_update, runs_by_review_resolution, runs_corrected;
CREATE INDEX runs_by_standing ON runs (organization_id, automation_id, review_standing, created_at DESC, id DESC)
    INCLUDE (outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at, sampled, sample_rank,
        review_state, review_created_at, review_updated_at, review_resolved_at, review_has_expected_json,
        review_has_expected_files, review_has_corrections, promoted_example_name, example_id)
    WHERE review_created_at IS NOT NULL;
CREATE INDEX runs_by_review_creation ON runs (organization_id, automation_id, review_created_at)
    INCLUDE (created_at, id, outcome, mode, in_experiment, sampled, review_state, review_standing, completed_at)
    WHERE review_created_at IS NOT NULL;
CREATE INDEX runs_by_review_update ON runs (organization_id, automation_id, review_updated_at)
    INCLUDE (created_at, id, outcome, mode, in_experiment, sampled, review_state, review_standing, review_created_at,
        completed_at)
    WHERE review_updated_at IS NOT NULL;
CREATE INDEX runs_by_review_resolution ON runs (organization_id, automation_id, review_resolved_at)
    INCLUDE (created_at, id, outcome, mode, in_experiment, sampled, review_state, review_standing, review_created_at,
        completed_at)
    WHERE review_resolved_at IS NOT NULL;
CREATE INDEX runs_corrected ON runs (organization_id, automation_id, created_at DESC, id DESC)
    INCLUDE (review_has_expected_json, review_has_expected_files, review_has_corrections, review_created_at, sampled,
        review_standing, review_state, outcome, mode, in_experiment, trigger_type, started_by, version_label, completed_at)
    WHERE review_has_expected_json OR review_has_expected_files OR review_has_corrections;
