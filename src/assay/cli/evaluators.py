"""`assay evaluators`: the evaluator types of this assay, as their classes describe them."""

from typing import Annotated

import typer

from assay import evaluators
from assay.cli import output
from assay.cli.failure import Failure
from assay.cli.options import AsJson
from assay.cli.setting_tables import print_settings

app = typer.Typer(help="Look up the evaluator types that judge runs.")


@app.command("list")
def list_types(*, as_json: AsJson = False) -> None:
    """List all evaluator types."""
    everything = [evaluators.describe(one) for one in evaluators.catalogue().values()]
    if as_json:
        output.print_json(
            [{"type": about.type_name, "version": about.version, "summary": about.summary} for about in everything]
        )
        return
    output.print_rows(("type", "what it does"), [(about.type_name, about.summary) for about in everything])


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="TYPE", help="Name of the type, as in evaluators.yaml.", show_default=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show an evaluator type: how it judges, its configuration, and an example."""
    found = evaluators.catalogue().get(name)
    if found is None:
        raise Failure(f"There is no evaluator type {name!r}.", hint="`assay evaluators list` shows them all.")
    about = evaluators.describe(found)
    if as_json:
        output.print_json(
            {
                "type": about.type_name,
                "version": about.version,
                "documentation": about.documentation,
                "configSchema": about.config_schema,
                "example": about.example,
            }
        )
        return
    output.print_heading(name)
    output.print_prose(about.documentation)
    print_settings("Configuration (under `config:`)", about.settings, about.parts)
    output.print_heading("\nExample")
    output.print_text(about.example)
