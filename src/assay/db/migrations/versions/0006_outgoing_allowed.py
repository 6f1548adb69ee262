"""Private hosts that an organization's runs may reach."""

from assay.db.migrations.statements import run_sql_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
