"""The settings page of model providers: adding, trying out and removing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.datastructures import FormData
from starlette.responses import Response

from assay import providers
from assay.dashboard.error_page import status_of
from assay.dashboard.rendering import render
from assay.dashboard.settings_frame import SettingsPage, Told, field, lines
from assay.dashboard.visitors import Here, SignedIn, Visitor
from assay.errors import AssayError, InvalidValueError
from assay.server import Server

router = APIRouter()

FORM = ("name", "kind", "url", "models", "prices", "variable")
"""Fields that a refused form still holds; a key is not given out again."""


@dataclass(frozen=True, slots=True)
class TrialShown:
    """How a trial of a provider went."""

    provider: str
    trial: providers.Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersPage(SettingsPage):
    """The providers, the default first, and the form for another, which holds `values`.

    `trial` is the one just made. `machine` names the provider that the server's settings bring along, if any.
    """

    template: ClassVar[str] = "settings_providers.html"
    place: ClassVar[str] = "settings"

    providers: Sequence[providers.ConfiguredProvider]
    kinds: Sequence[str]
    machine: str | None
    trial: TrialShown | None
    values: dict[str, str]


@router.get("/settings/providers")
async def providers_page(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Show the providers."""
    return await _show(request, visitor, server, Told())


@router.post("/settings/providers")
async def add(request: Request, visitor: SignedIn, server: Here) -> Response:
    """Add a provider."""
    form = await request.form()
    try:
        new = _read(form)
        async with server.database.transaction() as tx:
            added = await providers.add(tx, visitor.caller, new, secret=server.models.secret)
    except AssayError as error:
        values = {name: field(form, name) for name in FORM}
        return await _show(request, visitor, server, Told(problem=error), values=values)
    return await _show(request, visitor, server, Told(f"{added.name} is added. Try it out."))


@router.post("/settings/providers/{provider_id}/test")
async def try_out(request: Request, provider_id: str, visitor: SignedIn, server: Here) -> Response:
    """Ask its first model a small question; it costs a few tokens."""
    async with server.database.single_statement() as tx:
        found = await providers.find(tx, visitor.caller.organization_id, provider_id)
    trial = await providers.try_out(server.models, visitor.caller.organization_id, found.name)
    return await _show(request, visitor, server, Told(), trial=TrialShown(found.name, trial))


@router.post("/settings/providers/{provider_id}/remove")
async def remove(request: Request, provider_id: str, visitor: SignedIn, server: Here) -> Response:
    """Remove a provider, and its key with it."""
    async with server.database.transaction() as tx:
        removed = await providers.remove(tx, visitor.caller, provider_id)
    return await _show(request, visitor, server, Told(f"{removed.name} is removed, and its key with it."))


def _read(form: FormData) -> providers.NewProvider:
    url = field(form, "url")
    options: dict[str, JsonValue] = {"baseUrl": url} if url else {}
    return providers.NewProvider(
        name=field(form, "name"),
        kind=field(form, "kind"),
        models=[_model(name) for name in lines(form, "models")],
        options=options,
        prices=dict(_price(line) for line in lines(form, "prices")),
        key=field(form, "key") or None,
        key_variable=field(form, "variable") or None,
        is_default=field(form, "default") == "on",
    )


def _model(name: str) -> providers.OfferedModel:
    try:
        return providers.OfferedModel(name=name)
    except ValueError as error:
        message = f"{name[:100]!r} is no name of a model."
        raise InvalidValueError(message, field="models") from error


def _price(line: str) -> tuple[str, providers.Price]:
    model, _, amounts = line.rpartition("=")
    given, _, made = amounts.partition("/")
    try:
        return model.strip(), providers.Price(input=float(given), output=float(made))
    except ValueError as error:
        message = f"{line[:100]!r} is no price; write model = 2.50 / 10."
        raise InvalidValueError(message, field="prices") from error


async def _show(
    request: Request,
    visitor: Visitor,
    server: Server,
    told: Told,
    *,
    trial: TrialShown | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    async with server.database.single_statement() as tx:
        found = await providers.list_providers(tx, visitor.caller.organization_id)
    shown = ProvidersPage(
        title="Model providers",
        tab="providers",
        told=told,
        providers=found,
        kinds=list(providers.kinds()),
        machine=server.settings.model,
        trial=trial,
        values=values or dict.fromkeys(FORM, ""),
    )
    return render(request, visitor, shown, 200 if told.problem is None else status_of(told.problem))
