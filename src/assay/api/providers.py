"""Model providers of the organization: adding, listing, trying out and removing them."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from assay import providers
from assay.api.bodies import checked, read_json
from assay.api.callers import Authorized, Here
from assay.api.errors import JsonResponse
from assay.clock import iso

router = APIRouter(tags=["providers"])


class ProviderBody(BaseModel):
    """A provider to add. At most one of `key` and `keyVariable`; neither for a server that wants no key."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: str = "openai"
    base_url: str | None = Field(default=None, alias="baseUrl", description="Address of its API; private ones too.")
    models: list[str | providers.OfferedModel] = Field(description="The first is its default.")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="What its kind can be told beside.")
    prices: dict[str, providers.Price] = Field(default_factory=dict, description="US dollars for a million tokens.")
    key: str | None = Field(default=None, description="Stored encrypted, and never given out again.")
    key_variable: str | None = Field(
        default=None, alias="keyVariable", description="Environment variable with the key."
    )
    is_default: bool = Field(default=False, alias="isDefault")


class TrialBody(BaseModel):
    """Which model to ask; the provider's first if none is named."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None


@router.get("/providers")
async def list_providers(caller: Authorized, server: Here) -> Response:
    """List providers, the default first; keys are never given out."""
    async with server.database.single_statement() as tx:
        found = await providers.list_providers(tx, caller.organization_id)
    return JsonResponse({"data": [_provider(provider) for provider in found], "total": len(found)})


@router.post("/providers", status_code=201)
async def add_provider(request: Request, caller: Authorized, server: Here) -> Response:
    """Add a provider; the organization's first is its default."""
    body = checked(ProviderBody, await read_json(request, server.settings.max_json_bytes))
    address: dict[str, JsonValue] = {} if body.base_url is None else {"baseUrl": body.base_url}
    new = providers.NewProvider(
        name=body.name,
        kind=body.kind,
        models=[providers.OfferedModel(name=model) if isinstance(model, str) else model for model in body.models],
        options=body.options | address,
        prices=body.prices,
        key=body.key,
        key_variable=body.key_variable,
        is_default=body.is_default,
    )
    async with server.database.transaction() as tx:
        added = await providers.add(tx, caller, new, secret=server.models.secret)
    return JsonResponse(_provider(added), 201)


@router.delete("/providers/{provider_id}")
async def remove_provider(provider_id: str, caller: Authorized, server: Here) -> Response:
    """Remove a provider, by id or name, and its key with it."""
    async with server.database.transaction() as tx:
        removed = await providers.remove(tx, caller, provider_id)
    return JsonResponse({**_provider(removed), "deleted": True})


@router.post("/providers/{provider_id}/test")
async def try_provider(provider_id: str, request: Request, caller: Authorized, server: Here) -> Response:
    """Ask one of its models a small question, from this server: it costs a few tokens."""
    body = checked(TrialBody, await read_json(request, server.settings.max_json_bytes, empty={}))
    async with server.database.single_statement() as tx:
        provider = await providers.find(tx, caller.organization_id, provider_id)
    name = provider.name if body.model is None else f"{provider.name}/{body.model}"
    trial = await providers.try_out(server.models, caller.organization_id, name)
    error = None
    if trial.error is not None:
        error = {"code": trial.error.code, "message": trial.error.message, "hint": trial.error.hint}
    return JsonResponse(
        {
            "ok": error is None,
            "provider": provider.name,
            "model": trial.model,
            "durationMs": trial.milliseconds,
            "error": error,
        }
    )


def _provider(provider: providers.ConfiguredProvider) -> dict[str, Any]:
    source: Literal["stored", "variable"] | None = None
    if provider.encrypted_key is not None:
        source = "stored"
    elif provider.key_variable is not None:
        source = "variable"
    return {
        "id": provider.id,
        "name": provider.name,
        "kind": provider.kind,
        "baseUrl": provider.options.get("baseUrl"),
        "models": [model.model_dump(by_alias=True) for model in provider.models],
        "options": {name: value for name, value in provider.options.items() if name != "baseUrl"},
        "prices": {name: price.model_dump() for name, price in provider.prices.items()},
        "isDefault": provider.is_default,
        "keySource": source,
        "keyVariable": provider.key_variable,
        "createdAt": iso(provider.created_at),
    }
