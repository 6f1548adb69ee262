"""`assay runs promote` and what ends a review: a miss joins the dataset, and is resolved by proof or set aside."""

from typing import Annotated, Any

from typer import Option, Typer

from assay.cli import feedback, output
from assay.cli.answers import items
from assay.cli.connection import connect
from assay.cli.options import AsJson, BaseUrl, RunId

Override = Annotated[
    str | None, Option("--override", metavar="REASON", help="Why, where nothing proves it; kept for ever.")
]


def add_to(runs_app: Typer) -> None:
    """Make `promote`, `feedback resolve` and `feedback ignore` commands of `runs`."""
    runs_app.command("promote")(promote)
    feedback.app.command("resolve")(resolve)
    feedback.app.command("ignore")(ignore)


def promote(
    run_id: RunId,
    *,
    name: Annotated[
        str | None, Option("--name", help="Of the example, new or not; left out, the one it had, or a new one.")
    ] = None,
    require_expected: Annotated[
        bool,
        Option("--require-expected/--no-require-expected", help="Refuse a run whose feedback says no expected output."),
    ] = True,
    override: Annotated[
        str | None,
        Option("--override", metavar="REASON", help="Why a promoted miss gets another expectation; kept for ever."),
    ] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a reviewed run an example of its dataset, with the correction that is on its feedback now."""
    with connect(base_url) as client:
        found = client.feedback.promote(run_id, name=name, require_expected=require_expected, override=override)
    if as_json:
        output.print_json(found)
        return
    output.print_fields(
        {
            "example": found["name"],
            "id": found["exampleId"],
            "of": found["automationId"],
            "now": "new" if found["created"] else "changed: there was one of this name",
            "review": found["status"],
        }
    )
    for issue in items(found, "issues"):
        output.say(f"{issue['severity']}: {issue['message']}")


def resolve(run_id: RunId, *, override: Override = None, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Resolve a miss: with the proof that its example passes on a later version, or a reason in its place.

    With proof it happens by itself when the experiment ends; else this says what is missing.
    """
    values: dict[str, Any] = {"status": "resolved"}
    if override is not None:
        values["override"] = {"reason": override}
    _update(run_id, values, base_url, as_json=as_json)


def ignore(
    run_id: RunId,
    *,
    reason: Annotated[str, Option("--reason", help="Why nothing is done about it.")],
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set a miss aside for a reason."""
    _update(run_id, {"status": "ignored", "reason": reason}, base_url, as_json=as_json)


def _update(run_id: str, values: dict[str, Any], base_url: str | None, *, as_json: bool) -> None:
    with connect(base_url) as client:
        found = client.feedback.update(run_id, values)
    feedback.show(found, as_json=as_json)
