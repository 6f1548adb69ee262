"""How an experiment that goes on is shown: a bar on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assay.cli import formats, output
from assay.cli.answers import Json, part
from assay.cli.failure import ExitCode, Failure
from assay.cli.preferences import preferences
from assay_client import Client, ConnectionFailedError, ServerError, WaitTimeoutError

SECONDS_BETWEEN_LINES = 10.0

_Show = Callable[[Json], None]


def until_over(client: Client, automation: str, experiment_id: str, *, max_wait: float) -> dict[str, Any]:
    """Follow an experiment to its end, showing how it stands; return it.

    Raises:
        Failure: it is not finished in time, or the server was lost, so that nobody can tell how the experiment ends.
    """
    hint = f"assay workflow experiment watch {experiment_id}"
    over: dict[str, Any] = {}
    try:
        before = client.experiments.get(automation, experiment_id, results=False)
        with _shown(experiment_id, before["runCount"]) as show:
            for event in client.experiments.follow(automation, experiment_id, timeout=max_wait):
                if event is not None:
                    over = event["experiment"]
                    show(over)
    except (ConnectionFailedError, ServerError) as error:
        message = f"{error.message} The experiment {experiment_id} goes on without us."
        raise Failure(message, hint=hint, exit_code=ExitCode.CANNOT_TELL) from error
    except WaitTimeoutError as error:
        raise Failure(error.message, hint=hint, exit_code=ExitCode.MISUSED) from error
    except KeyboardInterrupt:
        output.say(f"The experiment goes on: {hint}")
        raise
    return over


def pass_rate(experiment: Json) -> float | None:
    """Return the share that passed, of examples once the experiment is over, of graded runs until then."""
    if experiment["status"] == "completed":
        return part(experiment, "summary").get("passRate")
    graded = experiment["passedCount"] + experiment["failedCount"]
    return experiment["passedCount"] / graded if graded else None


@contextmanager
def _shown(experiment_id: str, total: int) -> Generator[_Show]:
    if preferences.quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(experiment_id, total) as show:
            yield show
    else:
        yield _Lines(experiment_id, total)


@contextmanager
def _bar(experiment_id: str, total: int) -> Generator[_Show]:
    columns = (
        TextColumn(experiment_id, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.console(sys.stderr)) as progress:
        task = progress.add_task("", total=total, rate="")

        def show(experiment: Json) -> None:
            progress.update(task, completed=experiment["completedCount"], rate=_rate_text(experiment))

        yield show


class _Lines:
    """Says how things stand at most every ten seconds."""

    def __init__(self, experiment_id: str, total: int) -> None:
        self._experiment_id = experiment_id
        self._total = total
        self._began = self._said = time.monotonic()

    def __call__(self, experiment: Json) -> None:
        now = time.monotonic()
        done = experiment["completedCount"]
        if now - self._said < SECONDS_BETWEEN_LINES or not done or done == self._total:
            return
        self._said = now
        left = formats.duration((now - self._began) / done * (self._total - done) * 1000)
        words = ", ".join(filter(None, (f"{done:,} of {self._total:,}", _rate_text(experiment), f"{left} left")))
        output.say(f"{self._experiment_id}: {words}.")


def _rate_text(experiment: Mapping[str, Any]) -> str:
    rate = pass_rate(experiment)
    return "" if rate is None else f"{rate:.1%} pass"
