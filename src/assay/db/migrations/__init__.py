"""The schema's history: one numbered file a step, applied by Alembic under an advisory lock."""
