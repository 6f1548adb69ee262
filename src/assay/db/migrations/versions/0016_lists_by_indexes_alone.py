"""Pairs of filters, and lists in order of completion, are answered by indexes alone."""

from assay.db.migrations.statements import run_sql_beside

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
