"""`assay workflow dataset coverage`: which live runs no example is like."""

from typing import Annotated

import typer

from assay.cli import formats, output
from assay.cli.answers import Json, items, part
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl, Since, Until

FEATURES = ("type", "size", "pages", "language", "source")
_NAMED = 10


def coverage(
    automation: AutomationName,
    *,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Look at so many newest runs.")] = 10_000,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what share of live runs has an example like it, and list the kinds of runs that have none.

    Alike are runs of the same type, size, pages, language and source. Prints each uncovered kind with how many runs
    it had and the newest of them.
    """
    with connect(base_url) as client:
        found = client.datasets.coverage(automation_ref(automation), from_=since, to=until, limit=limit)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (*(part(group, "features").get(name) or "-" for name in FEATURES), group["runs"], group["runIds"][0])
        for group in items(found, "uncovered")
    ]
    output.print_rows((*FEATURES, "runs", "newest"), rows)
    output.say(_summary(found))
    if not found["complete"]:
        output.say(f"Only the newest {formats.count(limit, 'run')} were looked at; --limit takes more.")
    if found["unknown"]:
        output.say(f"{formats.count(found['unknown'], 'run')} more ended before anything of them was known.")
    never = found["neverRun"]
    if never:
        named = ", ".join(never[:_NAMED]) + (" …" if len(never) > _NAMED else "")
        output.say(f"Never run, so that they cover nothing yet: {named}")


def _summary(found: Json) -> str:
    if found["share"] is None:
        return "There are no live runs to compare with."
    interval, counted = part(found, "interval"), found["runs"] - found["unknown"]
    return (
        f"{found['share']:.1%} of {formats.count(counted, 'live run')} have an example like them "
        f"(95 % interval {interval['lower']:.1%} to {interval['upper']:.1%})."
    )
