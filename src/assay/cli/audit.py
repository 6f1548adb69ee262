"""`assay audit`: who did what, and when."""

from typing import Annotated

import typer

from assay.cli import output
from assay.cli.connection import connect
from assay.cli.options import AsJson, BaseUrl


def audit(
    *,
    action: Annotated[
        str | None, typer.Option("--action", help="Only this (key.revoked), or all of a thing (key).")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="EMAIL", help="Only what this person did.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what people changed, newest first."""
    with connect(base_url) as client:
        found = list(client.audit.iterate(action=action, email=user, limit=limit))
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            output.moment_cell(one["createdAt"]),
            one["email"] or one["userId"] or "the operator",
            one["action"],
            one["target"],
            output.compact_json(one["detail"]),
        )
        for one in found
    ]
    output.print_rows(("when", "who", "what", "to what", "more"), rows)
    if not rows:
        output.say("Nothing of that was done.")
