"""`assay providers`: which models an organization can ask, and whether they answer."""

import sys
from typing import Annotated, Any

import typer

from assay.cli import output
from assay.cli.answers import Json
from assay.cli.connection import connect
from assay.cli.failure import Failure
from assay.cli.options import AsJson, BaseUrl, Yes
from assay.cli.output import Value

app = typer.Typer(help="Add, list, test and remove model providers.")

ProviderName = Annotated[
    str, typer.Argument(metavar="PROVIDER", help="Name or id (prov_…) of the provider.", show_default=False)
]


@app.command("add")
def add(  # noqa: PLR0913 (one parameter an option)
    *,
    name: Annotated[str, typer.Option("--name", help="What workflows call it.", show_default=False)],
    model: Annotated[
        list[str], typer.Option("--model", help="A model it offers; the first is its default. Repeat it for more.")
    ],
    kind: Annotated[str, typer.Option("--kind", help="What it speaks.")] = "openai",
    url: Annotated[
        str | None, typer.Option("--url", help="Address of its API, such as http://127.0.0.1:11434/v1.")
    ] = None,
    key_variable: Annotated[
        str | None,
        typer.Option("--key-variable", metavar="NAME", help="Environment variable of the server with its key."),
    ] = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input; the server stores it encrypted.")
    ] = False,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="MODEL=IN/OUT", help="US dollars for a million tokens. Repeat it for more."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="maxConcurrency, requestsPerMinute, structuredOutput…"),
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Take it where nothing else is named.")] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a model provider: OpenAI, or any server that speaks its protocol."""
    settings: dict[str, Any] = {
        "kind": kind,
        "options": dict(_option(text) for text in option or ()),
        "prices": dict(_price(text) for text in price or ()),
        "isDefault": default,
    }
    if url is not None:
        settings["baseUrl"] = url
    if key_variable is not None:
        settings["keyVariable"] = key_variable
    if key_stdin:
        settings["key"] = _key_from_stdin()
    with connect(base_url) as client:
        added = client.providers.add(name, model, **settings)
    if as_json:
        output.print_json(added)
        return
    output.print_value(added["id"])
    output.say(f"{name} is there. Try it: assay providers test {name}")


@app.command("list")
def list_providers(*, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List model providers, the default first."""
    with connect(base_url) as client:
        found = client.providers.list()
    if as_json:
        output.print_json(found)
        return
    titles = ("name", "default", "kind", "url", "key", "models", "id")
    output.print_rows(titles, [_row(provider) for provider in found["data"]])
    if not found["data"]:
        output.say("There is none: assay providers add --name NAME --model MODEL --key-variable OPENAI_API_KEY")


@app.command("test")
def try_out(
    provider: ProviderName,
    *,
    model: Annotated[str | None, typer.Option("--model", help="Which of its models; else the first.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let the server ask a model one small question; exit 1 if it does not answer. It costs a few tokens."""
    with connect(base_url) as client:
        found = client.providers.test(provider, model)
    if as_json:
        output.print_json(found)
        if not found["ok"]:
            raise typer.Exit(1)
        return
    if not found["ok"]:
        error: Json = found["error"]
        raise Failure(f"{found['provider']}/{found['model']}: {error['message']}", hint=error.get("hint"))
    output.print_fields({"provider": found["provider"], "model": found["model"], "ms": found["durationMs"]})


@app.command("remove")
def remove(provider: ProviderName, *, yes: Yes = False, base_url: BaseUrl = None) -> None:
    """Remove a model provider, and its key with it."""
    output.confirm(f"Remove {provider}? Workflows that name it fail from then on.", yes=yes)
    with connect(base_url) as client:
        removed = client.providers.remove(provider)
    output.say(f"{removed['name']} is removed.")


def _row(found: Json) -> tuple[Value, ...]:
    key = found["keyVariable"] or found["keySource"]
    models = ", ".join(model["name"] for model in found["models"])
    return found["name"], found["isDefault"], found["kind"], found["baseUrl"], key, models, found["id"]


def _key_from_stdin() -> str:
    key = typer.prompt("Key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    return str(key).strip()


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"--option is NAME=VALUE, not {text!r}.")
    if value in {"true", "false"}:
        return name, value == "true"
    try:
        return name, float(value) if "." in value else int(value)
    except ValueError:
        return name, value


def _price(text: str) -> tuple[str, dict[str, float]]:
    # Names of models may hold an equals sign or a slash; prices hold neither.
    model, _, prices = text.rpartition("=")
    read, _, written = prices.partition("/")
    try:
        return model, {"input": float(read), "output": float(written)}
    except ValueError as error:
        raise typer.BadParameter(f"--price is MODEL=IN/OUT, such as tiny=0.15/0.6, not {text!r}.") from error
