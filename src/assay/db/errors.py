"""What can be wrong with the database."""

from assay.errors import AssayError, ErrorKind, UnavailableError


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer; what was asked was not done. Try again shortly."""

    code = "database_unavailable"


class SchemaTooNewError(AssayError):
    """The database was written by a newer assay than this one."""

    kind = ErrorKind.CONFLICT
    code = "schema_too_new"
    hint = "Start the newer version of assay, or restore a backup made with this one."
