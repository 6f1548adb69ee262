"""The database: unit of work, schema, and the server that assay brings along."""

from assay.db.database import CONNECTION_ERRORS, OPENING_ERRORS, Database, Row, Transaction, create_pool
from assay.db.errors import DatabaseUnavailableError, SchemaTooNewError
from assay.db.figures import Figures, TableSize, figures
from assay.db.installation import WrongSecretKeyError, WrongStorageError, check_installation
from assay.db.schema import SchemaStatus, status, upgrade

__all__ = [
    "CONNECTION_ERRORS",
    "OPENING_ERRORS",
    "Database",
    "DatabaseUnavailableError",
    "Figures",
    "Row",
    "SchemaStatus",
    "SchemaTooNewError",
    "TableSize",
    "Transaction",
    "WrongSecretKeyError",
    "WrongStorageError",
    "check_installation",
    "create_pool",
    "figures",
    "status",
    "upgrade",
]
