"""`assay automations proof`: how often the example of a miss has to pass before the miss counts as fixed."""

from typing import Annotated

import typer

from assay.cli import output
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl


def proof(
    automation: AutomationName,
    *,
    repeats: Annotated[
        int | None, typer.Option("--repeats", min=1, metavar="N", help="Where no step asks a model.")
    ] = None,
    with_model: Annotated[
        int | None, typer.Option("--repeats-with-model", min=1, metavar="N", help="Where a step asks a model.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how often an example has to pass to prove its miss fixed; with options, change it."""
    with connect(base_url) as client:
        name = automation_ref(automation)
        if repeats is None and with_model is None:
            found = client.automations.proof(name)
        else:
            found = client.automations.set_proof(name, repeats=repeats, repeats_with_model=with_model)
    if as_json:
        output.print_json(found)
        return
    output.print_fields(
        {
            "repeats": found["repeats"],
            "repeats with a model": found["repeatsWithModel"],
            "set": "by nobody: the default" if found["isDefault"] else output.moment_cell(found["updatedAt"]),
        }
    )
