"""Feedback, sampling, the review queue, proofs of resolution, webhooks, outputs of the process before."""

from assay.db.migrations.statements import run_sql_beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
