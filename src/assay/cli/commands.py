"""All commands: their names, and where each is found once it is asked for.

Only the module of the command that runs is imported: a start-up of a tenth of a second is a feature.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from assay.cli.preferences import preferences

RUNS = "Runs"
WORKFLOWS = "Workflows"
SERVER = "Server"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is: a function, or the `app` of a group; `help` repeats the first line of its own."""

    panel: str
    module: str
    attribute: str
    help: str


COMMANDS: Mapping[str, Place] = {
    "run": Place(RUNS, "starting", "run", "Start a run."),
    "rerun": Place(RUNS, "starting", "rerun", "Start a run again with the same input."),
    "runs": Place(
        RUNS, "runs", "app", "Look at runs: list, get, trace, scores, watch, cancel, compare, delete, bulk, artifacts."
    ),
    "review": Place(
        RUNS,
        "review",
        "app",
        "Go through what waits for a verdict: next, list, claim, release, skip, add, stats, pass, fail.",
    ),
    "status": Place(RUNS, "status", "status", "Say which server answers, and as whom."),
    "init": Place(WORKFLOWS, "init", "init", "Begin a workflow, with examples and evaluators that measure it."),
    "workflow": Place(
        WORKFLOWS,
        "workflows",
        "app",
        "Write workflows: validate, push, pull, list, versions, diff, promote, evaluators, dataset, experiment.",
    ),
    "automations": Place(
        WORKFLOWS,
        "automations",
        "app",
        "Look at automations and how they fare; switch triggers, set limits, watch them.",
    ),
    "providers": Place(WORKFLOWS, "providers", "app", "Add, list, test and remove model providers."),
    "outgoing": Place(WORKFLOWS, "outgoing", "app", "List, allow and refuse private hosts that runs may reach."),
    "webhooks": Place(
        WORKFLOWS,
        "webhooks",
        "app",
        "Tell other servers what happens: list, add, change, remove, test, deliveries, rotate.",
    ),
    "examples": Place(WORKFLOWS, "examples", "app", "Run single examples of a dataset, and grade them."),
    "evaluators": Place(WORKFLOWS, "evaluators", "app", "Look up the evaluator types that judge runs."),
    "gate": Place(
        WORKFLOWS, "gates", "app", "Say whether a version may become current: assay gate AUTOMATION --version V."
    ),
    "sampling": Place(WORKFLOWS, "sampling", "app", "Say which runs people review: get, set, advice, history."),
    "steps": Place(WORKFLOWS, "steps", "app", "Look up the step types that workflows are made of."),
    "serve": Place(
        SERVER, "server", "serve", "Run the server, its database if you have none of your own, and a worker."
    ),
    "worker": Place(SERVER, "server", "worker", "Run a worker: any number of them may share one database."),
    "demo": Place(
        SERVER,
        "demo",
        "demo",
        "Lead a workflow through its life on made-up invoices: measured, reviewed, mended, proven.",
    ),
    "keys": Place(SERVER, "keys", "app", "Make, list and revoke API keys, on the server's own data."),
    "users": Place(
        SERVER, "users", "app", "Add people, list them, change what they may, and print links that sign them in once."
    ),
    "account": Place(SERVER, "account", "app", "See where you are signed in, end that, and change your password."),
    "audit": Place(SERVER, "audit", "audit", "List what people changed, newest first."),
    "storage": Place(
        SERVER, "storage", "storage", "Say how large the database is, and how much room the disk of the files has."
    ),
    "db": Place(SERVER, "database", "app", "Look at the database: its schema, its size; or upgrade it."),
    "backup": Place(SERVER, "backup", "backup", "Write database and files to one archive."),
    "restore": Place(SERVER, "backup", "restore", "Put back what a backup holds."),
}


class CommandsOnDemand(TyperGroup):
    """A group that knows its commands by name only, until one is called."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        place = COMMANDS.get(args[0])
        if place is not None:
            self.add_command(_load(args[0], place), args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=CommandsOnDemand,
    help="assay runs document workflows behind an API, and lets none be trusted that was not measured.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print data and errors only.")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="Print without colours; NO_COLOR does the same.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", "-v", help="Print the version.")] = False,
) -> None:
    """Take the options that come before the command."""
    if version:
        sys.stdout.write(f"{metadata.version('assay')}\n")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        ctx.get_help()
        raise typer.Exit
    preferences.quiet = quiet
    preferences.no_color = no_color


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; return its exit code."""
    try:
        code: object = app(list(arguments), prog_name="assay", standalone_mode=False)
    except BrokenPipeError:
        # Whoever read our output has enough. What is still buffered must not raise once more at exit.
        sys.stdout = None
        return 1
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 1
    except Exception as error:  # noqa: BLE001 (whatever it is, a person gets one line)
        return _report(error)
    return code if isinstance(code, int) else 0


def _load(name: str, place: Place) -> Any:
    found: typer.Typer | Callable[..., None] = getattr(import_module(f"assay.cli.{place.module}"), place.attribute)
    if isinstance(found, typer.Typer):
        # Unlike `get_command`, it does not offer each group's own completion of the shell.
        return typer.main.get_group(found)
    single = typer.Typer(add_completion=False)
    single.command(name)(found)
    return typer.main.get_command(single)


def _report(error: Exception) -> int:
    debug: bool = import_module("assay.settings").debugging()
    return import_module("assay.cli.errors").report(error, debug=debug)


def _placeholder() -> None:
    raise AssertionError


for _name, _place in COMMANDS.items():
    app.command(_name, help=_place.help, rich_help_panel=_place.panel)(_placeholder)
