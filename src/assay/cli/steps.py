"""`assay steps`: the step types of this assay, as their classes describe them."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer

from assay import steps
from assay.cli import output
from assay.cli.answers import Json, part
from assay.cli.failure import Failure
from assay.cli.options import AsJson
from assay.cli.output import Value

app = typer.Typer(help="Look up the step types that workflows are made of.")


@app.command("list")
def list_types(
    *,
    search: Annotated[str | None, typer.Option("--search", help="Part of the name or the description.")] = None,
    as_json: AsJson = False,
) -> None:
    """List all step types."""
    words = (search or "").lower()
    found = {name: step for name, step in steps.catalogue().items() if words in f"{name} {_summary(step)}".lower()}
    if as_json:
        described = [{"type": name, "effect": step.effect, "summary": _summary(step)} for name, step in found.items()]
        output.print_json(described)
        return
    output.print_rows(("type", "what it does"), [(name, _summary(step)) for name, step in found.items()])


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="Name of the type, as in workflows.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a step type: what it does, its configuration, and an example that runs."""
    step = steps.catalogue().get(name)
    if step is None:
        raise Failure(f"There is no step type {name!r}.", hint="`assay steps list` shows them all.")
    if as_json:
        output.print_json(_described(name, step))
        return
    output.print_heading(name)
    output.print_prose(_documentation(step))
    output.print_heading("\nConfiguration " + ("(beside `type:`)" if step.config_beside_type else "(under `with:`)"))
    output.print_wrapped(("field", "type", "default", "description"), _fields(step))
    output.print_heading("\nExample")
    output.print_text(step.example)


def _documentation(step: type[steps.Step]) -> str:
    lines = (step.__doc__ or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines)


def _summary(step: type[steps.Step]) -> str:
    return _documentation(step).partition("\n\n")[0].replace("\n", " ")


def _described(name: str, step: type[steps.Step]) -> dict[str, Any]:
    return {
        "type": name,
        "effect": step.effect,
        "documentation": _documentation(step),
        "configBesideType": step.config_beside_type,
        "configSchema": step.model_json_schema(by_alias=True),
        "outputSchema": step.output_schema,
        "example": step.example,
    }


def _fields(step: type[steps.Step]) -> Sequence[Sequence[Value]]:
    schema = cast("Json", step.model_json_schema(by_alias=True))
    required = set(schema.get("required", ()))
    return [
        (
            field,
            _type_name(about),
            "required" if field in required else output.compact_json(about.get("default")),
            str(about.get("description", "")),
        )
        for field, about in part(schema, "properties").items()
    ]


def _type_name(about: Json) -> str:
    if "enum" in about:
        return " | ".join(output.compact_json(value) for value in about["enum"])
    if "const" in about:
        return output.compact_json(about["const"])
    if "anyOf" in about:
        return " | ".join(dict.fromkeys(_type_name(one) for one in about["anyOf"]))
    if about.get("type") == "array":
        return f"list of {_type_name(part(about, 'items'))}"
    reference = str(about.get("$ref", "")).rpartition("/")[2]
    return str(about.get("type") or reference or "any")
