"""`assay serve` and `assay worker`: the processes that stay."""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import listening
from assay.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from assay.server import Server

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of everything not configured elsewhere.")]

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_RESTART_SECONDS = 1.0


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8321,
    data_dir: DataDir = None,
    *,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Also start a worker process.")] = True,
) -> None:
    """Run the server, its database if you have none of your own, and a worker."""
    import uvloop  # noqa: PLC0415 # start-up of other commands should not pay for it

    from assay import bootstrap  # noqa: PLC0415

    settings = bootstrap.settings_for(data_dir)
    set_up_logging(settings)
    if not uvloop.run(_serve(settings, listening.take(host, port), with_worker=worker)):
        raise typer.Exit(1)


def worker(data_dir: DataDir = None) -> None:
    """Run a worker: any number of them may share one database."""
    import uvloop  # noqa: PLC0415

    from assay import bootstrap  # noqa: PLC0415

    settings = bootstrap.settings_for(data_dir)
    set_up_logging(settings)
    uvloop.run(_work(settings, bootstrap))


async def _serve(settings: Settings, sockets: Sequence[socket.socket], *, with_worker: bool) -> bool:
    """Serve until told to stop; return whether it ever began."""
    import uvicorn  # noqa: PLC0415

    from assay import bootstrap, site  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as stack:
        if with_worker:
            # Beside the server's own start, so that both are ready at the same time.
            await stack.enter_async_context(_WorkerProcess(settings).running())
        opened = await stack.enter_async_context(bootstrap.open_server(settings))
        server = uvicorn.Server(http_config(site.Site(opened), settings))
        for number in (signal.SIGTERM, signal.SIGINT):
            # uvicorn stops at a signal and then raises it once more, which would end us before the rest is closed.
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        first_sign_in = await bootstrap.patiently(settings, lambda: _first_sign_in(opened))
        announcing = asyncio.create_task(_announce(server, settings, first_sign_in))
        try:
            await server.serve(list(sockets))
        finally:
            announcing.cancel()
        return server.started


def http_config(app: "ASGIApp", settings: Settings) -> "uvicorn.Config":
    """Say how HTTP is spoken: heads and silence are limited, and only the proxies named are believed who calls."""
    import uvicorn  # noqa: PLC0415

    from assay.cli.request_heads import GuardedProtocol  # noqa: PLC0415

    return uvicorn.Config(
        app,
        http=GuardedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=65,
    )


async def _first_sign_in(opened: "Server") -> str | None:
    """Make the link for the first administrator, as long as nobody has ever signed in."""
    from assay import access  # noqa: PLC0415

    async with opened.database.transaction() as tx:
        organization, owner = await access.ensure_default_organization(tx)
        members = await access.list_members(tx, organization.id)
        if any(member.has_password or member.last_seen_at is not None for member in members):
            return None
        return await access.make_link(tx, owner, "first")


async def _announce(server: "uvicorn.Server", settings: Settings, first_sign_in: str | None) -> None:
    while not server.started:  # noqa: ASYNC110 # uvicorn has no event for it
        await asyncio.sleep(0.02)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"assay is ready at http://{shown}:{port}", err=True)
    if first_sign_in is not None:
        typer.echo(f"Sign in, once: http://{shown}:{port}/sign-in/link/{first_sign_in}", err=True)
    typer.echo(f"Make a key: assay keys create --name me --data-dir {settings.data_dir}", err=True)


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
    # The libraries tell of an outage many times a second; the engine tells of it, and of all that fails.
    for chatty in ("pgqueuer", "asyncpg.pool"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    for noisy in ("assay.requests", "httpx", "alembic", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


class _WorkerProcess:
    """The worker beside a server: a process of its own, started again when it dies, gone when the server is."""

    def __init__(self, settings: Settings) -> None:
        self._command = [sys.executable, "-m", "assay.cli", "worker", "--data-dir", str(settings.data_dir)]
        self._grace = settings.worker_grace_seconds + 10

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Keep one running for as long as the block lasts."""
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _keep(self) -> None:
        """Keep one running until cancelled, then let it finish in its grace period."""
        while True:
            process = await asyncio.create_subprocess_exec(*self._command, preexec_fn=end_with(os.getpid()))
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


def end_with(parent: int) -> Callable[[], None]:
    """Return what a child does first to be ended with its parent, even with one that was killed."""
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
