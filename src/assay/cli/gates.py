"""`assay gate`: whether a version may become current, what is missing, and the policy that says so."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typing_extensions import override

from assay.cli import formats, gate_reports, output
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.failure import ExitCode
from assay.cli.issues import read_mapping
from assay.cli.options import AsJson, AutomationName, BaseUrl, MaxWait
from assay_client import Client

_EXIT = {"passed": ExitCode.OK, "failed": ExitCode.FAILED, "cannot_tell": ExitCode.CANNOT_TELL}
_WORDS = {"passed": "passed", "failed": "failed", "cannot_tell": "cannot tell"}
_STYLES = {"passed": "green", "failed": "bold red", "cannot_tell": "yellow"}


class _CheckUnlessNamed(TyperGroup):
    """A group whose command `check` need not be written."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["check", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_CheckUnlessNamed, help="Say whether a version may become current: assay gate AUTOMATION --version V."
)
policy_app = typer.Typer(help="Say what a version must have shown before it becomes current: get, set, remove.")
app.add_typer(policy_app, name="policy")

VersionRef = Annotated[
    str, typer.Option("--version", metavar="VERSION", help="Version or its id; else the current one.")
]


@app.command("check")
def check(
    automation: AutomationName,
    *,
    version: VersionRef = "latest",
    run: Annotated[bool, typer.Option("--run", help="Run what is missing first, and nothing else.")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write a summary in Markdown there.")
    ] = None,
    max_wait: MaxWait = 1800.0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a version passes the gate as everything is now. The word `check` need not be written.

    Exits with 0 if it passed, 1 if it failed, 3 if that cannot be told (examples that were not run, errors, too few of
    them), 2 after --max-wait.
    """
    name = automation_ref(automation)
    with connect(base_url) as client:
        found = client.gates.examine(name, version, results=True)
        if run and _run_missing(client, name, found, max_wait=max_wait):
            found = client.gates.examine(name, found["versionId"], results=True)
        cases = gate_reports.cases(client, name, found) if junit else ()
    label = found["version"] or found["versionId"]
    if junit:
        gate_reports.write_junit(junit, f"{automation} {label}", cases, found)
    if markdown:
        gate_reports.write_markdown(markdown, automation, label, found)
    if as_json:
        output.print_json(found)
    else:
        _print_decision(found)
    _tell(automation, label, found, ran=run)
    raise typer.Exit(_EXIT[found["status"]])


@policy_app.command("get")
def get_policy(automation: AutomationName, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Show the gate policy."""
    with connect(base_url) as client:
        found = client.gates.policy(automation_ref(automation))
    _print_policy(found, as_json=as_json)


@policy_app.command("set")
def set_policy(
    automation: AutomationName,
    *,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="The policy as YAML or JSON.", exists=True, dir_okay=False),
    ] = None,
    must_pass: Annotated[
        str | None,
        typer.Option("--must-pass", metavar="WHICH", help="`promoted`, `all`, or names with commas between them."),
    ] = None,
    min_pass_rate: Annotated[
        float | None, typer.Option("--min-pass-rate", metavar="RATE", help="Above 0 and below 1, as 0.9.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--non-inferiority-margin", metavar="RATE", help="At most so much worse than the current one."),
    ] = None,
    min_examples: Annotated[
        int | None, typer.Option("--min-examples", metavar="N", help="At least so many examples graded.")
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put a gate policy in the place of the one there is, from a file or options; options go before the file.

    From then on a push stages its version, and `assay workflow promote` asks the gate.
    """
    policy: dict[str, Any] = read_mapping(file, "gate policy") if file else {}
    named = {"all", "promoted"}
    given: Mapping[str, Any] = {
        "mustPass": must_pass if must_pass is None or must_pass in named else _names(must_pass),
        "minPassRate": min_pass_rate,
        "nonInferiorityMargin": margin,
        "minExamples": min_examples,
    }
    policy |= {key: value for key, value in given.items() if value is not None}
    if not policy and file is None:
        raise typer.BadParameter("say what it asks for: --file, --must-pass, --min-pass-rate…")
    with connect(base_url) as client:
        found = client.gates.set_policy(automation_ref(automation), policy)
    _print_policy(found, as_json=as_json)
    output.say("From now on a push stages its version, and a version becomes current once it has passed.")


@policy_app.command("remove")
def remove_policy(automation: AutomationName, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Remove the gate policy: nothing is asked of versions any more."""
    with connect(base_url) as client:
        found = client.gates.remove_policy(automation_ref(automation))
    if as_json:
        output.print_json(found)
    output.say("There is no gate any more.")


def _run_missing(client: Client, name: str, found: Json, *, max_wait: float) -> bool:
    """Run what the decision lacks, with this version and with the current one; False if it lacks nothing."""
    wanted = [
        (found["versionId"], items(found, "examplesToRun"), "this version"),
        (found["currentVersionId"], items(found, "currentVersionToRun"), "the current version"),
    ]
    started = [
        (client.experiments.start(name, version=version, examples=[example["id"] for example in examples]), words)
        for version, examples, words in wanted
        if examples
    ]
    for experiment, words in started:
        output.say(f"{experiment['id']}: {formats.count(experiment['total'], 'example')} with {words}.")
    deadline = time.monotonic() + max_wait
    for experiment, _ in started:
        with output.working(f"{experiment['id']} …") as shown:
            for event in client.experiments.follow(name, experiment["id"], timeout=deadline - time.monotonic()):
                if shown is not None and event is not None:
                    state = event["experiment"]
                    done = f"{state['completedCount']} of {experiment['total']}, {state['passedCount']} passed"
                    shown.update(f"{experiment['id']}: {done}")
    return bool(started)


def _print_decision(found: Json) -> None:
    rows = [
        (
            output.Cell(_WORDS[one["status"]], style=_STYLES[one["status"]]),
            one["code"],
            one["message"],
            _listed(one["examples"]),
        )
        for one in items(found, "missing")
    ]
    if rows:
        output.print_wrapped(("", "what is missing", "why", "examples"), rows)
    else:
        output.print_value(_WORDS[found["status"]])


def _tell(automation: str, label: str, found: Json, *, ran: bool) -> None:
    if found["noPolicy"]:
        output.say(f"There is no gate policy, so nothing is asked of {automation} {label}.")
        return
    bound = found["passRateLowerBound"]
    above = "" if bound is None else f" (the rate is above {bound:.1%}, one-sided, 95 %)"
    output.say(
        f"{automation} {label}: {_WORDS[found['status']]}."
        f" {found['passed']} of {found['graded']} graded examples passed{above}; the dataset has {found['examples']}."
    )
    left = len(items(found, "examplesToRun")) + len(items(found, "currentVersionToRun"))
    if left and not ran:
        output.say(f"hint: --run runs the {formats.count(left, 'example')} that are still to be run.")
    if found["status"] == "passed" and not found["isCurrent"]:
        output.say(f"hint: assay workflow promote {automation} {label}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _print_policy(found: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    policy = found["policy"]
    if policy is None:
        output.say("There is no gate policy: nothing is asked of versions.")
        return
    output.print_fields({key: _shown(value) for key, value in policy.items()})


def _shown(value: Any) -> output.Value:
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
