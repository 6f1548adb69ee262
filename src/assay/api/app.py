"""The HTTP application: every route under both prefixes."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from assay.api import (
    account,
    audit,
    automations,
    comparisons,
    coverage,
    datasets,
    errors,
    evaluators,
    examples,
    experiments,
    feedback,
    files,
    gates,
    health,
    incumbents,
    keys,
    members,
    monitoring,
    outgoing,
    promotion,
    proof,
    providers,
    review_queue,
    reviews,
    runs,
    sampling,
    starting,
    storage,
    webhooks,
)
from assay.api.callers import PREFIXES, Server
from assay.api.requests import RequestFrame

ROUTERS = (
    starting.router,
    runs.router,
    automations.router,
    datasets.router,
    coverage.router,
    examples.router,
    evaluators.router,
    experiments.router,
    comparisons.router,
    gates.router,
    feedback.router,
    promotion.router,
    proof.router,
    reviews.router,
    sampling.router,
    review_queue.router,
    monitoring.router,
    incumbents.router,
    files.router,
    keys.router,
    account.router,
    audit.router,
    members.router,
    storage.router,
    outgoing.router,
    providers.router,
    webhooks.router,
)


def create_app(open_server: Callable[[], AbstractAsyncContextManager[Server]]) -> FastAPI:
    """Build the application; `open_server` provides what it runs on for as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_server() as server:
            app.state.server = server
            yield

    app = FastAPI(
        title="assay",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    app.add_middleware(RequestFrame)
    errors.install(app)
    app.include_router(health.router)
    for prefix in PREFIXES:
        for router in ROUTERS:
            app.include_router(router, prefix=prefix, include_in_schema=prefix == PREFIXES[0])
    return app


def describe() -> dict[str, Any]:
    """Return the OpenAPI document of all routes, as `GET /openapi.json` answers it."""
    return create_app(_unserved).openapi()


def _unserved() -> AbstractAsyncContextManager[Server]:
    raise AssertionError
