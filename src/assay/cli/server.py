"""`assay serve` and `assay worker`: the processes that stay."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.settings import Settings

if TYPE_CHECKING:
    import uvicorn

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of everything not configured elsewhere.")]

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_RESTART_SECONDS = 1.0


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8321,
    data_dir: DataDir = None,
    *,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Also start a worker process.")] = True,
) -> None:
    """Run the server, its database if you have none of your own, and a worker."""
    import uvicorn  # noqa: PLC0415 # start-up of other commands should not pay for it
    import uvloop  # noqa: PLC0415

    from assay import api, bootstrap  # noqa: PLC0415

    settings = bootstrap.settings_for(data_dir)
    set_up_logging(settings)
    app = api.create_app(lambda: bootstrap.open_server(settings))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=65,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = uvicorn.Server(config)
    uvloop.run(_serve(server, _WorkerProcess(settings) if worker else None))
    if not server.started:
        raise typer.Exit(1)


def worker(data_dir: DataDir = None) -> None:
    """Run a worker: any number of them may share one database."""
    import uvloop  # noqa: PLC0415

    from assay import bootstrap  # noqa: PLC0415

    settings = bootstrap.settings_for(data_dir)
    set_up_logging(settings)
    uvloop.run(_work(settings, bootstrap))


async def _serve(server: "uvicorn.Server", worker_process: "_WorkerProcess | None") -> None:
    beside = None if worker_process is None else asyncio.create_task(worker_process.keep())
    try:
        await server.serve()
    finally:
        if beside is not None:
            beside.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beside


async def _work(settings: Settings, bootstrap: Any) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with bootstrap.open_worker(settings) as opened:
        logging.getLogger(__name__).info("Worker %d is ready.", os.getpid())
        await opened.run(stop)


def set_up_logging(settings: Settings) -> None:
    """Log to stderr; never payloads, keys or whole requests."""
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("pgqueuer", "assay.requests", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


class _WorkerProcess:
    """The worker beside a server: a process of its own, started again when it dies, gone when the server is."""

    def __init__(self, settings: Settings) -> None:
        self._command = [sys.executable, "-m", "assay.cli", "worker", "--data-dir", str(settings.data_dir)]
        self._grace = settings.worker_grace_seconds + 10

    async def keep(self) -> None:
        """Keep one running until cancelled, then let it finish in its grace period."""
        while True:
            process = await asyncio.create_subprocess_exec(*self._command, preexec_fn=_end_with(os.getpid()))
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await self._stop(process)
                raise
            logging.getLogger(__name__).warning("The worker ended with code %s; starting another.", code)
            await asyncio.sleep(_RESTART_SECONDS)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout=self._grace)
        except TimeoutError:
            process.kill()


def _end_with(parent: int) -> Callable[[], None]:
    """Ask the kernel to end a child with its parent, even one that was killed."""
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
