-- A step may wait while no worker holds its run, and a step that was tried several times keeps each attempt.
ALTER TABLE run_steps DROP CONSTRAINT run_steps_status_check;
ALTER TABLE run_steps ADD CONSTRAINT run_steps_status_check
    CHECK (status IN ('success', 'failure', 'skipped', 'cancelled', 'waiting'));
ALTER TABLE run_steps ALTER attempts DROP DEFAULT;
ALTER TABLE run_steps ALTER attempts DROP NOT NULL;
ALTER TABLE run_steps ALTER attempts TYPE json USING NULL;
