"""What a reviewer sees of a run on the terminal: where it came from, what went in, what came out."""

from rich.text import Text

from assay.cli import output
from assay.cli.answers import Json, items, part
from assay.cli.values import Block, Known, Layout, Limits

LIMITS = Limits(characters=2_000, lines=40, items=50, depth=8)
INDENT = 2


def print_sheet(item: Json, run: Json) -> None:
    """Print an item of the queue with its run, which was read with its input."""
    lease = part(item, "lease")
    output.print_fields(
        {
            "item": item["id"],
            "run": item["runId"],
            "automation": item["automation"]["slug"],
            "version": item["version"],
            "queued": reason_of(item),
            "created": output.moment_cell(part(run, "timing").get("createdAt")),
            "yours until": output.moment_cell(lease.get("expiresAt")),
            "put off because": item["skippedBecause"],
        }
    )
    given = part(run, "input")
    output.print_heading("Input")
    _print(given.get("args"))
    for file in items(given, "files"):
        output.print_line("  file", file["name"])
    output.print_heading("Output")
    if run.get("error"):
        output.print_line("  error", run["error"])
    _print(run.get("output"))
    for file in items(run, "files"):
        output.print_line("  file", file["name"])


def reason_of(item: Json) -> str:
    """Say why an item is in the queue, and what is special about it."""
    words = [item["reason"]]
    if item["state"] == "disagreement":
        words.append("two disagree")
    elif item["slots"] > 1:
        words.append(f"{item['verdicts']} of {item['slots']} verdicts")
    return ", ".join(words)


def _print(value: object) -> None:
    lines = Layout(LIMITS, Known()).lines(value) if value else [Text("nothing", "italic bright_black")]
    output.print_rich(Block(lines, INDENT))
