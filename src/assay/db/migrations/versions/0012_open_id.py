"""Who people are at a provider that signs them in, and sign-ins that are under way there."""

from assay.db.migrations.statements import run_sql_beside

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_beside(__file__)
