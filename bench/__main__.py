"""`python -m bench`: measure everything once, and print one table."""

import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from assay import clock
from assay.db import embedded
from bench import experiments, listing, pages, running, stepping
from bench.report import Measure, show, write_markdown
from bench.seeding import past


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    requests: int
    runs: int
    items: int
    calls: int
    past: int
    rounds: int
    every: int
    settle: float
    examples: int
    many_examples: int
    experiments: int
    rows: int
    with_peers: bool


FULL = Size(
    requests=400,
    runs=4000,
    items=10_000,
    calls=100,
    past=1_000_000,
    rounds=40,
    every=1,
    settle=5,
    examples=1000,
    many_examples=20_000,
    experiments=3,
    rows=5000,
    with_peers=True,
)
QUICK = Size(
    requests=10,
    runs=50,
    items=100,
    calls=3,
    past=2000,
    rounds=1,
    every=25,
    settle=0.5,
    examples=20,
    many_examples=40,
    experiments=1,
    rows=40,
    with_peers=False,
)


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Only show that it works: the figures mean little.")] = False,
    past: Annotated[int | None, typer.Option(help="How many runs lists and pages are measured on.")] = None,
    runs: Annotated[int | None, typer.Option(help="How many runs each number of workers is measured with.")] = None,
    cache: Annotated[Path, typer.Option(help="Where the past is kept between calls.")] = Path("build/bench"),
    markdown: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    only: Annotated[
        str | None, typer.Option(help="Measure only `running`, `stepping`, `experiments`, `listing` or `pages`.")
    ] = None,
) -> None:
    """Measure start-up, memory, latency, throughput, lists and pages, each with the machine's floor beside it."""
    chosen = QUICK if quick else FULL
    size = replace(chosen, runs=runs or chosen.runs, past=past or chosen.past)
    measures = uvloop.run(_measure(size, cache, only))
    show(measures)
    if markdown is not None:
        write_markdown(measures, markdown, _conditions())


async def _measure(size: Size, cache: Path, only: str | None) -> list[Measure]:
    found: list[Measure] = []
    if only in {None, "running"}:
        async with _empty_folder() as data_dir:
            found += await running.measure(data_dir, requests=size.requests, runs=size.runs, settle=size.settle)
    if only in {None, "stepping"}:
        async with _empty_folder() as data_dir:
            found += await stepping.measure(data_dir, items=size.items, calls=size.calls)
    if only in {None, "experiments"}:
        async with _empty_folder() as data_dir:
            found += await experiments.measure(
                data_dir,
                few=size.examples,
                many=size.many_examples,
                rounds=size.experiments,
                with_peers=size.with_peers,
            )
    if only in {None, "listing"}:
        history = await past(cache, size.past)
        found += await listing.measure(history, count=size.past, rounds=size.rounds, every=size.every)
    if only in {None, "pages"}:
        history = await past(cache, size.past)
        found += await pages.measure(history, count=size.past, rounds=size.rounds, few=size.rows // 5, many=size.rows)
    return found


@asynccontextmanager
async def _empty_folder() -> AsyncGenerator[Path]:
    """Name a data folder that does not exist yet; it and its database are gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="assay-bench-"))
    folder.chmod(0o711)  # as root, the database's account must pass through
    try:
        yield folder / "data"
    finally:
        await asyncio.to_thread(embedded.remove, folder / "data")
        shutil.rmtree(folder)


def _conditions() -> str:
    cores = len(os.sched_getaffinity(0))
    return (
        f"Measured on {clock.now():%Y-%m-%d}: {cores} cores, Python {platform.python_version()}, {platform.system()}."
    )


typer.run(main)
