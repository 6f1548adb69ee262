-- Cheap features of what a run was given (type, pages, size, language, source), to see what the dataset does not cover.
ALTER TABLE run_results ADD COLUMN features json;
