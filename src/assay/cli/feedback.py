"""`assay runs feedback`: what people say of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import corrections, output
from assay.cli.answers import Json, items, part
from assay.cli.connection import connect
from assay.cli.issues import read_text
from assay.cli.json_text import parsed
from assay.cli.options import AsJson, BaseUrl, RunId, Yes
from assay.cli.paging import Offset, print_page

RATINGS = ("pass", "fail", "partial")
STATUSES = ("open", "resolved", "ignored")
NONE = "none"

app = typer.Typer(help="Say what a run got wrong: get, update, clear, history, resolve, ignore.")


@app.command("get")
def get(run_id: RunId, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Show what is said of a run; of a blind double review, what you said yourself."""
    with connect(base_url) as client:
        found = client.feedback.get(run_id)
    show(found, as_json=as_json)


@app.command("update")
def update(  # noqa: PLR0913 (one parameter a field)
    run_id: RunId,
    *,
    rating: Annotated[str | None, typer.Option("--rating", help="pass, fail or partial; none clears it.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="open, resolved or ignored; none clears it.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="What there is to say.")] = None,
    message_file: Annotated[
        Path | None, typer.Option("--message-file", metavar="FILE", help="The same, from a file.")
    ] = None,
    expected_json: Annotated[str | None, typer.Option("--expected-json", help="The corrected output.")] = None,
    expected_json_file: Annotated[
        Path | None, typer.Option("--expected-json-file", metavar="FILE", help="The same, from a file.")
    ] = None,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            "--correct", metavar="POINTER=VALUE", help="One corrected field: /total=12.5. Repeat it; they replace all."
        ),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="How it failed. Repeat it; they replace all.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is ignored.")] = None,
    clear_message: Annotated[bool, typer.Option("--clear-message", help="Say nothing any more.")] = False,
    clear_rating: Annotated[bool, typer.Option("--clear-rating", help="Take the rating back.")] = False,
    clear_expected_json: Annotated[
        bool, typer.Option("--clear-expected-json", help="Take the corrected output back.")
    ] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change what is said of a finished run; what you leave out stays."""
    values: dict[str, Any] = {}
    _put(values, "rating", _one_of("--rating", rating, RATINGS), clear=clear_rating or rating == NONE)
    _put(values, "status", _one_of("--status", status, STATUSES), clear=status == NONE)
    _put(values, "body", _text("--message", message, message_file), clear=clear_message)
    expected = _text("--expected-json", expected_json, expected_json_file)
    if expected is not None:
        values["expected"] = parsed("--expected-json", expected)
    elif clear_expected_json:
        values["expected"] = None
    if correct is not None:
        values["corrections"] = [corrections.parsed(option) for option in correct]
    _put(values, "tags", tag, clear=False)
    _put(values, "reason", reason, clear=False)
    if not values:
        raise typer.BadParameter("say what to change: --rating, --status, --message, --expected-json, --correct…")
    with connect(base_url) as client:
        found = client.feedback.update(run_id, values)
    show(found, as_json=as_json)


@app.command("clear")
def clear(run_id: RunId, *, yes: Yes = False, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Clear verdict, correction and corrected files; a promoted miss stays open until it is proven to be fixed."""
    output.confirm(f"Clear the feedback on {run_id}, with its expected files?", yes=yes)
    with connect(base_url) as client:
        found = client.feedback.clear(run_id)
    if as_json:
        output.print_json(found)
    else:
        output.say(f"Cleared. `assay runs feedback history {run_id}` still tells what it was.")


@app.command("history")
def history(
    run_id: RunId,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 100,
    offset: Offset = 0,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List who changed what when, newest first."""
    with connect(base_url) as client:
        found = client.feedback.history(run_id, limit=limit, offset=offset)
    print_page(found, ("revision", "what", "who", "when", "changes"), _row, offset=offset, as_json=as_json)


def show(found: Json, *, as_json: bool) -> None:
    """Print what is said of a run."""
    if as_json:
        output.print_json(found)
        return
    feedback = found["feedback"]
    if feedback is None:
        output.say("Nobody has said anything of this run yet.")
        return
    resolution = part(feedback, "resolution")
    evidence, regressed = part(resolution, "evidence"), part(resolution, "regressed")
    output.print_fields(
        {
            "rating": feedback["rating"] and output.status_cell(feedback["rating"]),
            "status": feedback["status"],
            "says": feedback["body"] or None,
            "by": feedback["createdByEmail"],
            "changed": output.moment_cell(feedback["updatedAt"]),
            "expected": None if found["expected"] is None else output.compact_json(found["expected"]),
            "expected files": ", ".join(file["name"] for file in items(found, "expectedFiles")) or None,
            "tags": ", ".join(feedback["tags"]) or None,
            "example": feedback["promotedExampleName"],
            "ignored because": feedback["reason"],
            "settled": output.moment_cell(feedback["resolvedAt"]),
            "settled by": feedback["resolvedByEmail"],
            "proven": resolution.get("proven"),
            "fixed by": _version(evidence or part(regressed, "fixedBy")),
            "broken by": _version(part(regressed, "brokenBy")),
            "experiment": evidence.get("experimentId") or regressed.get("experimentId"),
            "live": resolution.get("live"),
            "without proof because": resolution.get("override"),
            "awaits": found.get("awaits"),
        }
    )


def _version(named: Json) -> str | None:
    return named.get("version") or named.get("versionId")


def _row(entry: Json) -> Sequence[output.Value]:
    return (
        entry["revision"],
        entry["action"],
        part(entry, "by").get("email") or "assay",
        output.moment_cell(entry["createdAt"]),
        "; ".join(_changed(name, one) for name, one in entry["changes"].items()),
    )


def _changed(name: str, change: Json) -> str:
    before, after = (output.compact_json(change[side]) for side in ("before", "after"))
    return f"{name}: {before[:60]} → {after[:60]}"


def _put(values: dict[str, Any], name: str, value: object, *, clear: bool) -> None:
    if value is not None or clear:
        values[name] = None if clear else value


def _one_of(option: str, value: str | None, allowed: Sequence[str]) -> str | None:
    if value is not None and value not in {*allowed, NONE}:
        raise typer.BadParameter(f"{option} is {', '.join(allowed)} or {NONE}.")
    return value


def _text(option: str, text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        raise typer.BadParameter(f"{option} and {option}-file exclude each other.")
    return text if file is None else read_text(file)
