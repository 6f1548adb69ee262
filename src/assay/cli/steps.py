"""`assay steps`: the step types of this assay, as their classes describe them."""

from typing import Annotated, Any

import typer

from assay import steps
from assay.cli import output
from assay.cli.failure import Failure
from assay.cli.options import AsJson
from assay.cli.setting_tables import print_settings

app = typer.Typer(help="Look up the step types that workflows are made of.")


@app.command("list")
def list_types(
    *,
    search: Annotated[str | None, typer.Option("--search", help="Part of the name or the description.")] = None,
    as_json: AsJson = False,
) -> None:
    """List all step types."""
    words = (search or "").lower()
    everything = [steps.describe(step) for step in steps.catalogue().values()]
    found = [about for about in everything if words in f"{about.type_name} {about.summary}".lower()]
    if as_json:
        output.print_json(
            [{"type": about.type_name, "effect": about.effect, "summary": about.summary} for about in found]
        )
        return
    output.print_rows(("type", "what it does"), [(about.type_name, about.summary) for about in found])


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="Name of the type, as in workflows.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a step type: what it does, its configuration, its output, and an example that runs."""
    step = steps.catalogue().get(name)
    if step is None:
        raise Failure(f"There is no step type {name!r}.", hint="`assay steps list` shows them all.")
    about = steps.describe(step)
    if as_json:
        output.print_json(_as_json(about, step))
        return
    output.print_heading(name)
    output.print_prose(about.documentation)
    where = "beside `type:`" if about.beside_type else "under `with:`"
    print_settings(f"Configuration ({where})", about.settings, about.parts)
    if about.output:
        output.print_heading("\nOutput")
        output.print_wrapped(
            ("field", "type", "description"), [(one.name, one.type, one.description) for one in about.output]
        )
    output.print_heading("\nExample")
    output.print_text(about.example)


def _as_json(about: steps.Description, step: type[steps.Step]) -> dict[str, Any]:
    return {
        "type": about.type_name,
        "effect": about.effect,
        "documentation": about.documentation,
        "configBesideType": about.beside_type,
        "configSchema": about.config_schema,
        "outputSchema": step.output_schema,
        "example": about.example,
    }
