"""What a command does between the start of a run and its end, and what it then tells."""

from collections.abc import Callable
from typing import Any

from assay.cli import formats, output
from assay.cli.answers import Json, items, part
from assay.cli.failure import ExitCode, Failure
from assay_client import Client, ConnectionFailedError, ServerError, WaitTimeoutError


def until_finished(
    client: Client, run_id: str, *, interval: float, max_wait: float, seen: Callable[[Json], None] | None = None
) -> dict[str, Any]:
    """Wait for the end of a run, showing its status on a terminal; return the run.

    Raises:
        Failure: it is not finished in time, or the server was lost, so that nobody can tell how the run ends.
    """
    with output.working(f"{run_id} …") as shown:

        def tell(run: Json) -> None:
            if shown is not None:
                shown.update(f"{run_id} {run['execution']['status']} …")
            if seen is not None:
                seen(run)

        try:
            return client.runs.wait(run_id, timeout=max_wait, interval=interval, seen=tell)
        except (ConnectionFailedError, ServerError) as error:
            raise Failure(
                f"{error.message} The run {run_id} goes on without us.",
                hint=f"assay runs watch {run_id}",
                exit_code=ExitCode.CANNOT_TELL,
            ) from error
        except WaitTimeoutError as error:
            hint = f"It goes on: assay runs watch {run_id}"
            raise Failure(error.message, hint=hint, exit_code=ExitCode.MISUSED) from error
        except KeyboardInterrupt:
            output.say(f"The run goes on: assay runs watch {run_id}")
            raise


def print_result(run: Json, *, as_json: bool) -> int:
    """Print what a finished run left: its output to stdout, the rest as words; return the exit code."""
    if as_json:
        output.print_json(run)
    elif run["execution"]["status"] == "completed":
        output.print_json(run.get("output"))
    tell_end(run)
    return ExitCode.OK if run["execution"]["status"] == "completed" else ExitCode.FAILED


def tell_end(run: Json) -> None:
    """Say how a run ended, and where to look next."""
    status = run["execution"]["status"]
    taken = formats.duration(run["timing"]["durationMs"])
    failure = part(run["execution"], "failure")
    place = f" in step {failure['step']}" if failure.get("step") else ""
    reason = f": {run['error']}" if run.get("error") else ""
    code = f" [{failure['code']}]" if failure.get("code") else ""
    output.say(f"{run['id']} {status}{place}{f' after {taken}' if taken else ''}{reason}{code}")
    files = len(items(run, "files"))
    if files:
        output.say(f"{formats.count(files, 'file')}: assay runs artifacts fetch {run['id']}")
    if status != "completed":
        output.say(f"hint: assay runs trace {run['id']}")
