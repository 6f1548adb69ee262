"""Steps that wait, and the attempts of a step."""

from assay.db.migrations.statements import run_sql_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
