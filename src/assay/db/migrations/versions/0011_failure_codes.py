"""Why a run failed stands on its row, so that a list can be asked for it."""

from assay.db.migrations.statements import run_sql_beside

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
