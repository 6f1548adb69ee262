"""`assay demo`: the whole way in a minute, from documents to measured results, on a server of its own."""

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import assay
from assay import settings
from assay.cli import demo_server, formats, output
from assay.cli.answers import Json, part
from assay.cli.demo_documents import DemoInvoice, make_invoices, score
from assay.cli.demo_server import DemoServer
from assay.cli.failure import Failure
from assay.cli.options import AsJson
from assay.cli.preferences import preferences
from assay_client import Client, ConflictError

EXAMPLE = Path("examples") / "invoice-fields" / "workflow.yaml"
TARGET = "workflows.invoice-fields"
AT_ONCE = 2  # more would only make scans wait for each other, and their times look worse than they are
HOLD_SECONDS = 45
RUN_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one document; a run that did not complete has no field right."""

    invoice: DemoInvoice
    run: Json
    right: dict[str, bool]

    @property
    def completed(self) -> bool:
        """Tell whether there is an output at all."""
        return self.run["execution"]["status"] == "completed"

    @property
    def misses(self) -> Sequence[str]:
        """The fields that are wrong."""
        return [field for field, right in self.right.items() if not right]

    def found(self, field: str) -> object:
        """Return what the workflow took for the field."""
        return part(self.run, "output").get(field)


def demo(
    *,
    seed: Annotated[int, typer.Option("--seed", help="Other numbers make other invoices.")] = 7,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many invoices.")] = 24,
    port: Annotated[int, typer.Option("--port", help="Port of the server; 0 takes a free one.")] = 0,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", metavar="DIR", help="Keep everything there; else a temporary folder, removed at the end."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send made-up invoices through the example workflow, and count what it gets right.

    On a terminal the server stays up until Ctrl-C. Otherwise, or with DEMO_EXIT=1, everything is
    stopped at the end. Exits with 1 if a run did not complete; wrong fields are results, not errors.
    """
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    stays = output.is_terminal() and not settings.demo_exits()
    with demo_server.folder(data_dir) as place:
        output.say("Starting PostgreSQL, the server and a worker …")
        with demo_server.running(place, port) as server, Client(server.base_url, server.api_key) as client:
            began = time.monotonic()
            invoices = make_invoices(place / "demo-documents", seed=seed, count=count)
            _push(client)
            output.say(
                f"Sending {formats.count(count, 'invoice')}; reading a scan takes some seconds of your processor …"
            )
            results = _run_all(client, invoices)
            seconds = time.monotonic() - began
            _print_results(results, seconds, as_json=as_json)
            _say_where_to_look(server, results, place, stays=stays, kept=data_dir is not None)
            if stays:
                _stay(server)
    if not all(result.completed for result in results):
        raise typer.Exit(1)


def _push(client: Client) -> None:
    """Push the example, unless the folder has it from an earlier demo, and let the API start it."""
    source = _example().read_text(encoding="utf-8")
    try:
        client.automations.create(source)
    except ConflictError:
        output.say(f"{TARGET} is there already; its current version is used.")
    client.automations.set_triggers(TARGET, api=True)


def _example() -> Path:
    """Return the example's file: in a wheel it lies inside the package, in a clone beside `src`."""
    package = Path(assay.__file__).parent
    found = next((root / EXAMPLE for root in (package, package.parents[1]) if (root / EXAMPLE).is_file()), None)
    if found is None:
        raise Failure(f"This installation lacks {EXAMPLE}.")
    return found


def _run_all(client: Client, invoices: Sequence[DemoInvoice]) -> Sequence[Result]:
    with _progress() as progress, ThreadPoolExecutor(AT_ONCE) as pool:
        task = progress.add_task("Invoices", total=len(invoices))
        pending = [pool.submit(_run, client, invoice) for invoice in invoices]
        try:
            for _ in as_completed(pending):
                progress.advance(task)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [future.result() for future in pending]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.console(sys.stderr),
        disable=preferences.quiet or not sys.stderr.isatty(),
    )


def _run(client: Client, invoice: DemoInvoice) -> Result:
    run: dict[str, Any] = client.runs.start(TARGET, files={"document": invoice.path}, wait_seconds=HOLD_SECONDS)
    if not run.get("timing"):
        run = client.runs.wait(run["id"], timeout=RUN_SECONDS)
    return Result(invoice, run, score(invoice.truth, part(run, "output")))


def _print_results(results: Sequence[Result], seconds: float, *, as_json: bool) -> None:
    totals = _totals(results, seconds)
    if as_json:
        output.print_json({"documents": [_as_json(result) for result in results], **totals})
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("document", no_wrap=True)
    table.add_column("right", justify="right", no_wrap=True)
    table.add_column("wrong")
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    for result in results:
        table.add_row(*_row(result))
    output.print_rich(table)
    output.print_rich(
        Text(
            f"\n{totals['fieldsRight']} of {totals['fields']} fields right; "
            f"{totals['documentsRight']} of {len(results)} documents without a miss; "
            f"{totals['runsCompleted']} of {len(results)} runs completed; {seconds:.1f} s.",
            "bold",
        )
    )


def _row(result: Result) -> Sequence[Text]:
    right, all_fields = sum(result.right.values()), len(result.right)
    milliseconds = result.run["timing"]["durationMs"]
    return (
        Text(result.invoice.path.name),
        Text(f"{right}/{all_fields}", "green" if right == all_fields else "yellow"),
        Text("; ".join(_miss(result, field) for field in result.misses)) if result.completed else _failure(result),
        Text("" if milliseconds is None else f"{milliseconds:,.0f}"),
        Text(result.run["id"]),
    )


def _miss(result: Result, field: str) -> str:
    found = result.found(field)
    shown = "nothing" if found is None else formats.one_line(str(found))
    return f"{field}: {shown} for {result.invoice.truth[field]}"


def _failure(result: Result) -> Text:
    status = result.run["execution"]["status"]
    return Text(f"{status}: {formats.one_line(str(result.run.get('error') or ''))}", "bold red")


def _totals(results: Sequence[Result], seconds: float) -> dict[str, int | float]:
    return {
        "fieldsRight": sum(sum(result.right.values()) for result in results),
        "fields": sum(len(result.right) for result in results),
        "documentsRight": sum(not result.misses for result in results),
        "runsCompleted": sum(result.completed for result in results),
        "seconds": round(seconds, 3),
    }


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "document": result.invoice.path.name,
        "runId": result.run["id"],
        "status": result.run["execution"]["status"],
        "durationMs": result.run["timing"]["durationMs"],
        "right": result.right,
        "expected": dict(result.invoice.truth),
        "output": result.run.get("output"),
    }


def _say_where_to_look(server: DemoServer, results: Sequence[Result], place: Path, *, stays: bool, kept: bool) -> None:
    shown = next((result for result in results if result.misses), results[0])
    word = "a run with a miss" if shown.misses else "a run"
    program = shlex.quote(_program())
    output.say(
        f"""
Where to look next
  export ASSAY_BASE_URL={server.base_url} ASSAY_API_KEY={server.api_key}
  {program} runs trace {shown.run["id"]}
      {word}, step by step: what went in, what came out, how long it took
  curl -H "Authorization: Bearer $ASSAY_API_KEY" "$ASSAY_BASE_URL/api/v1/runs?limit=3"
  curl -H "Authorization: Bearer $ASSAY_API_KEY" "$ASSAY_BASE_URL/api/v1/runs?wait_for_completion=30" \\
      -F target={TARGET} -F files.document=@{shlex.quote(str(shown.invoice.path))}
  README.md, docs/api.md, examples/invoice-fields/README.md"""
    )
    if stays:
        output.say(f"\nThe server stays up until Ctrl-C; its log is {server.log}.")
    elif kept:
        output.say(f"\nThe server stops now; to look around: {program} serve --data-dir {shlex.quote(str(place))}")
    else:
        output.say("\nEverything stops now and is removed; on a terminal the server stays up.")


def _program() -> str:
    """Return how a person calls this program again."""
    beside = Path(sys.executable).parent / "assay"
    if not beside.is_file():
        return "assay"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


def _stay(server: DemoServer) -> None:
    """Return at Ctrl-C.

    Raises:
        Failure: the server ended by itself.
    """
    try:
        code = server.process.wait()
    except KeyboardInterrupt:
        output.say("\nStopping …")
        return
    raise Failure(f"The server ended with code {code}.", hint=f"Its log was {server.log}.")
