"""From settings to running objects: opens the database, the blob store and the parser, and closes them again."""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from assay import (
    access,
    automations,
    db,
    documents,
    engine,
    experiments,
    files,
    monitoring,
    providers,
    reviews,
    rollouts,
    runs,
    sandbox,
    steps,
    webhooks,
)
from assay.db import embedded
from assay.errors import InvalidValueError, Issue
from assay.outgoing import AllowList, Outgoing
from assay.server import Server
from assay.settings import Settings, environment_value

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_OPENING_TRIES = 20
_WHERE_THE_DATABASE_IS = (
    "ASSAY_DATABASE_URL names your own PostgreSQL (postgresql://user:password@host/database); "
    "unset, the data folder brings one along."
)


def settings_for(data_dir: Path | None) -> Settings:
    """Read the settings; a data folder given on the command line wins over `ASSAY_DATA_DIR`.

    Raises:
        InvalidValueError: settings are none; all of them at once, by their names in the environment.
    """
    try:
        settings = Settings() if data_dir is None else Settings(data_dir=data_dir)
    except ValidationError as error:
        raise _invalid_settings(error) from error
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})


def _invalid_settings(error: ValidationError) -> InvalidValueError:
    # What was set is left out: it may be a secret.
    found = error.errors(include_url=False, include_context=False, include_input=False)
    issues = [Issue(f"ASSAY_{one['loc'][0]}".upper(), one["msg"], "invalid_value") for one in found]
    hint = "The README lists all settings; an unset one has its default."
    return InvalidValueError(f"{issues[0].field}: {issues[0].message}.", issues=issues, hint=hint)


@asynccontextmanager
async def open_database(settings: Settings, *, migrate: bool = True) -> AsyncGenerator[db.Database]:
    """Open your own database, or join or start the embedded one and keep it running meanwhile.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
        SchemaTooNewError: it was written by a newer assay.
    """
    async with contextlib.AsyncExitStack() as stack:
        dsn = settings.database_url or await stack.enter_async_context(_embedded_server(settings.data_dir))
        database = await patiently(settings, lambda: _connect(dsn, settings.database_connections, migrate=migrate))
        stack.push_async_callback(database.close)
        yield database


async def patiently(settings: Settings, work: Callable[[], Awaitable[Result]]) -> Result:
    """Do what a start needs of the database, and may be done twice.

    The embedded one is started again when it is killed, and a start that falls into that moment waits for it. Your own
    is asked once: whoever starts us should see at once that it cannot be reached.
    """
    for _ in range(_OPENING_TRIES if settings.database_url is None else 0):
        with contextlib.suppress(db.DatabaseUnavailableError):
            return await work()
        await asyncio.sleep(0.5)
    return await work()


async def _connect(dsn: str, size: int, *, migrate: bool) -> db.Database:
    try:
        if migrate:
            await db.upgrade(dsn)
        return await db.Database.connect(dsn, size=size)
    except db.OPENING_ERRORS as error:
        message = f"The database cannot be reached: {error}"
        raise db.DatabaseUnavailableError(message, hint=_WHERE_THE_DATABASE_IS) from error


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncGenerator[Server]:
    """Open what the HTTP door runs on, and wake its waiters meanwhile."""
    open_id = _sign_in_provider(settings)
    async with open_database(settings) as database:
        blobs = await _open_blobs(settings, database)
        waiting_room = engine.WaitingRoom(database)
        # Here models are only tried out, by somebody who wants to know at once.
        models = _open_models(settings, database, providers.Patience(attempts=1))
        # Pages of documents are shown; none is read here.
        parser = documents.Parser(native_children=settings.parse_children, ocr_children=0)
        # Evaluators are tried out here; it starts with the first script.
        scripts = sandbox.Sandbox()
        async with _beside(waiting_room.run), contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(models.close)
            stack.push_async_callback(parser.close)
            stack.push_async_callback(scripts.close)
            yield Server(
                settings=settings,
                database=database,
                blobs=blobs,
                waiting_room=waiting_room,
                limiter=access.RateLimiter(settings.rate_limit_per_minute),
                models=models,
                parser=parser,
                grader=experiments.Grader(database, blobs, parser, scripts, models),
                open_id=open_id,
            )


@asynccontextmanager
async def open_worker(settings: Settings) -> AsyncGenerator[engine.Worker]:
    """Open a worker; it works while its `run` runs."""
    async with open_database(settings) as database:
        blobs = await _open_blobs(settings, database)
        limits = documents.Limits()
        parser = documents.Parser(
            native_children=settings.parse_children, ocr_children=settings.ocr_children, limits=limits
        )
        scripts = sandbox.Sandbox()
        models = _open_models(settings, database, providers.Patience())
        outgoing = Outgoing(AllowList.parse(settings.outgoing_allow))
        grader = experiments.Grader(database, blobs, parser, scripts, models)
        sampler = reviews.Sampler(database)
        services = runs.Services(
            database, blobs, parser, scripts, models, _choose, outgoing, _mail_server(settings), grader, sampler
        )
        sampling = asyncio.create_task(sampler.run())
        conducting = asyncio.create_task(experiments.Conductor(database, reviews.settle).run())
        delivering = asyncio.create_task(webhooks.Deliverer(database, outgoing, _secret_key(settings)).run())
        try:
            yield engine.Worker(
                database,
                runs.Executor(services, runs.TimeLimits(settings.run_timeout_seconds, settings.step_timeout_seconds)),
                engine.WorkerLimits(
                    settings.worker_concurrency, settings.heartbeat_seconds, settings.worker_grace_seconds
                ),
                _chores(database, blobs, grader),
            )
        finally:
            conducting.cancel()
            delivering.cancel()
            await asyncio.wait([delivering], timeout=10)  # what is being sent may arrive
            sampling.cancel()
            await models.close()
            await scripts.close()
            await parser.close()


async def _choose(tx: db.Transaction, organization_id: str, workflow: str) -> runs.Chosen:
    """Choose the version of a workflow that another one calls, by name, `workflows.<name>` or id."""
    automation = await automations.get(tx, organization_id, workflow)
    return (await rollouts.which_version(tx, organization_id, automation.id, None)).chosen


def _open_models(settings: Settings, database: db.Database, patience: providers.Patience) -> providers.Models:
    own = providers.provider_of_the_machine(settings.model_url, settings.model, settings.model_key_variable)
    return providers.Models(database, _secret_key(settings), environment_value, patience, own)


def _mail_server(settings: Settings) -> steps.MailServer | None:
    if settings.smtp_url is None or settings.smtp_from is None:
        return None
    return steps.MailServer.parse(settings.smtp_url, settings.smtp_from)


def _sign_in_provider(settings: Settings) -> access.OpenIdProvider | None:
    if settings.oidc_issuer is None:
        return None
    if settings.oidc_client_id is None or settings.public_url is None:
        message = "ASSAY_OIDC_ISSUER needs ASSAY_OIDC_CLIENT_ID and ASSAY_PUBLIC_URL, too."
        raise InvalidValueError(message, field="ASSAY_OIDC_ISSUER")
    domains = (domain.strip().lower() for domain in settings.oidc_domains.split(","))
    return access.OpenIdProvider(
        access.OpenIdRegistration(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            redirect_uri=f"{settings.public_url}/sign-in/open-id/callback",
            name=settings.oidc_name,
            allow=AllowList.parse(settings.oidc_allow),
            domains=frozenset(filter(None, domains)),
            role=settings.oidc_role,
        )
    )


async def _open_blobs(settings: Settings, database: db.Database) -> files.Blobs:
    blobs = await asyncio.to_thread(files.Blobs.open, settings.storage_url, settings.data_dir)
    await blobs.check()
    storage_id, secret_key = await blobs.identity(), _secret_key(settings)

    async def check() -> None:
        async with database.transaction() as tx:
            await db.check_installation(tx, storage_id=storage_id, secret_key=secret_key)

    await patiently(settings, check)
    return blobs


def _secret_key(settings: Settings) -> str:
    """Return the configured key, else the one in the data folder, made at first use."""
    if settings.secret_key is not None:
        return settings.secret_key
    path = settings.data_dir / "secret.key"
    if not path.exists():
        _make_secret_key(path)
    return path.read_text()


def _make_secret_key(path: Path) -> None:
    # Server and worker start at the same time: the file appears with its content or not at all, and only once.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _chores(
    database: db.Database, blobs: files.Blobs, grader: experiments.Grader
) -> dict[str, tuple[str, engine.Chore]]:
    """What is done by the clock, by one worker of all."""

    async def remove_expired_runs() -> None:
        removed = await runs.delete_expired(database, blobs)
        if removed:
            log.info("Removed %d runs whose retention was over.", removed)

    async def forget_idempotency_keys() -> None:
        async with database.transaction() as tx:
            await runs.forget_old_idempotency_keys(tx)

    async def sweep_blobs() -> None:
        await blobs.sweep(database)

    async def top_up_samples() -> None:
        added = await reviews.top_up(database)
        if added:
            log.info("Queued %d runs for review, of days on which too few were drawn.", added)

    async def move_sampling_rates() -> None:
        await reviews.move_rates(database, monitoring.watch_inputs)

    async def forget_webhook_events() -> None:
        await webhooks.forget_old_events(database)

    return {
        "remove_expired_runs": ("*/15 * * * *", remove_expired_runs),
        "forget_idempotency_keys": ("7 * * * *", forget_idempotency_keys),
        "sweep_blobs": ("23 * * * *", sweep_blobs),
        "forget_webhook_events": ("47 * * * *", forget_webhook_events),
        "top_up_samples": ("41 * * * *", top_up_samples),
        "move_sampling_rates": ("*/15 * * * *", move_sampling_rates),
        **_watching(database, grader),
    }


def _watching(database: db.Database, grader: experiments.Grader) -> dict[str, tuple[str, engine.Chore]]:
    async def sum_up_inputs() -> None:
        await monitoring.sum_up_inputs(database)

    async def watch_alerts() -> None:
        await monitoring.watch(database)

    async def judge_live_runs() -> None:
        await monitoring.judge_live_runs(database, grader)

    return {
        "sum_up_inputs": ("11 * * * *", sum_up_inputs),
        "watch_alerts": ("* * * * *", watch_alerts),
        "judge_live_runs": ("* * * * *", judge_live_runs),
    }


@asynccontextmanager
async def _beside(work: Callable[[], Coroutine[None, None, None]]) -> AsyncGenerator[None]:
    """Run something in the background for as long as the block lasts."""
    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _embedded_server(data_dir: Path) -> AsyncGenerator[str]:
    lease = await asyncio.to_thread(embedded.acquire, data_dir)
    keeper = asyncio.create_task(_keep_running(lease))
    try:
        yield lease.dsn
    finally:
        keeper.cancel()
        await asyncio.to_thread(lease.release)


async def _keep_running(lease: embedded.Lease) -> None:
    """Start the server again whenever it died, whoever killed it."""
    while True:
        await asyncio.sleep(1)
        with contextlib.suppress(embedded.EmbeddedServerError):
            await asyncio.to_thread(lease.ensure_running)
