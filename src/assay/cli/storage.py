"""`assay storage`: how much room a server takes, and how much is left."""

from assay.cli import formats, output
from assay.cli.connection import connect
from assay.cli.options import AsJson, BaseUrl


def storage(*, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Say how large the database is, and how much room the disk of the files has."""
    with connect(base_url) as client:
        found = client.storage()
    if as_json:
        output.print_json(found)
        return
    database, files = found["database"], found["files"]
    output.print_fields(
        {
            "database": _size(database["size"]),
            "version": database["version"],
            "files": files["folder"],
            "free": _size(files["free"]),
            "of": _size(files["total"]),
        }
    )
    rows = [(one["name"], _size(one["size"]), one["rows"]) for one in database["tables"]]
    output.print_rows(("table", "size", "rows, about"), rows)


def _size(value: int | None) -> output.Value:
    return None if value is None else output.Cell(value, formats.size(value))
