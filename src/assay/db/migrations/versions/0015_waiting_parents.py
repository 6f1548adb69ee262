"""A run knows whether the run that started it waits for it."""

from assay.db.migrations.statements import run_sql_beside

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
