"""`assay workflow experiment compare`: two experiments side by side."""

from typing import Annotated

import typer

from assay.cli import formats, output
from assay.cli.answers import Json, items, part
from assay.cli.connection import connect
from assay.cli.failure import ExitCode, Failure
from assay.cli.options import AsJson, BaseUrl
from assay_client import Client, Order

_STYLES = {"regression": "bold red", "improvement": "green", "incomparable": "yellow"}


def compare(
    baseline: Annotated[
        str, typer.Argument(metavar="A", help="The baseline; or the only experiment, then its baseline is taken.")
    ],
    experiment: Annotated[str | None, typer.Argument(metavar="B", help="What is held against it.")] = None,
    *,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", min=0, max=1, help="What a score must change by to count. [default: 0.05]"),
    ] = None,
    sort: Annotated[Order, typer.Option("--sort", help="What comes first.")] = "abs-delta-desc",
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit with 1 if any score went down by more than that.")
    ] = False,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compare two experiments of one automation, example by example, and say what the difference is worth.

    Regressions and improvements are listed; the sentence rests on the examples that both graded, unchanged.
    """
    with connect(base_url) as client:
        a, b = _both(client, baseline, experiment)
        found = client.comparisons.get(a, b, threshold=threshold, sort=sort)
    if as_json:
        output.print_json(found)
    else:
        _print(found)
    if fail_on_regression and found["summary"]["regressions"]:
        raise typer.Exit(ExitCode.FAILED)


def _both(client: Client, baseline: str, experiment: str | None) -> tuple[str, str]:
    if experiment is not None:
        return baseline, experiment
    automation = client.experiments.automation_of(baseline)
    summary = part(client.experiments.get(automation, baseline, results=False), "summary")
    found = part(summary, "baseline")
    if not found:
        raise Failure(
            f"{baseline} has no baseline: no experiment before it has an example in common.",
            hint="Name both: assay workflow experiment compare A B.",
        )
    return found["experimentId"], baseline


def _print(found: Json) -> None:
    changed = [row for row in items(found, "rows") if row["status"] != "unchanged"]
    if changed:
        output.print_rows(("example", "evaluator", "A", "B", "change", ""), [_row(row) for row in changed])
    summary = found["summary"]
    for letter, one in (("A, the baseline", found["experimentA"]), ("B", found["experimentB"])):
        output.say(f"{letter}: {one['id']}, version {one['version'] or one['versionId']}.")
    output.say(
        f"{formats.count(summary['sharedExamples'], 'shared example')}: {summary['regressions']} scores went down,"
        f" {summary['improvements']} up by more than {summary['regressionThreshold']:g}."
    )
    for side, names in (("A", summary["onlyInA"]), ("B", summary["onlyInB"])):
        if names:
            output.say(f"Only in {side}: {formats.count(len(names), 'example')}.")
    if found["leftOut"]:
        counts = ", ".join(f"{count} {reason}" for reason, count in found["leftOutCounts"].items() if count)
        output.say(f"Left out of the conclusion: {counts}.")
    for note in found["notes"]:
        output.say(note)
    output.say(found["sentence"])


def _row(row: Json) -> list[output.Value]:
    name = f"{row['example']} (edited)" if row["exampleChanged"] else row["example"]
    delta = row["delta"]
    return [
        output.Cell(row["example"], name),
        row["evaluator"],
        _score(row["scoreA"]),
        _score(row["scoreB"]),
        output.Cell(delta, "" if delta is None else f"{delta:+.3f}"),
        output.Cell(row["status"], style=_STYLES.get(row["status"])),
    ]


def _score(score: float | None) -> output.Cell:
    return output.Cell(score, "" if score is None else f"{score:.3f}")
