"""How large the database is, and what in it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.db.database import Database

MOST_TABLES = 12

_FIGURES = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS size, greatest(c.reltuples, 0)::bigint AS rows,
       current_setting('server_version') AS version, pg_database_size(current_database()) AS total
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = current_schema()
ORDER BY size DESC, name LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with its indexes: `size` in bytes, `rows` as the database last estimated them."""

    name: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The version of PostgreSQL, the `size` of the whole database in bytes, and its largest tables."""

    version: str
    size: int
    tables: Sequence[TableSize]


async def figures(database: Database) -> Figures:
    """Measure the database: one query of its catalogue, however much it holds. The twelve largest tables are named."""
    async with database.single_statement() as tx:
        rows = await tx.fetch(_FIGURES, MOST_TABLES)
    tables = [TableSize(row["name"], row["size"], row["rows"]) for row in rows]
    return Figures(rows[0]["version"], rows[0]["total"], tables)
