"""How a migration runs a whole SQL file: by PostgreSQL's simple protocol, which takes many statements at once."""

from pathlib import Path
from typing import Any, cast

from alembic import op
from sqlalchemy.util import await_only


def run_sql_beside(migration: str) -> None:
    """Run the `.sql` file that has the migration's name, inside the migration's transaction."""
    statements = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")
    op.execute("SELECT 1")  # makes SQLAlchemy open its transaction before the driver is used directly
    driver_connection = cast("Any", op.get_bind().connection).driver_connection
    await_only(driver_connection.execute(statements))
