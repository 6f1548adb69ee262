"""How often an example must pass to prove a miss fixed, and what model judges said of live runs."""

from assay.db.migrations.statements import run_sql_beside

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
