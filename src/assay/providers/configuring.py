"""How an organization gets and loses providers, and what is checked and recorded on the way."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import JsonValue

from assay import access, clock, db, ids
from assay.errors import ConflictError, InvalidValueError, NotFoundError
from assay.providers import sealing, store
from assay.providers.catalogue import configured
from assay.providers.model import ConfiguredProvider, OfferedModel, Price

MAX_PROVIDERS = 50
MAX_MODELS = 100

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# Whoever adds a provider says where its key is sent. What else the server keeps in its environment must not leave so.
_KEY_VARIABLE = re.compile(r"(?!ASSAY_|EIGENPAL_)[A-Z][A-Z0-9_]{0,99}_API_KEY")


@dataclass(frozen=True, slots=True)
class NewProvider:
    """A provider to add. At most one of `key` and `key_variable`; neither for a server that wants no key."""

    name: str
    models: Sequence[OfferedModel]
    kind: str = "openai"
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    key: str | None = field(default=None, repr=False)
    key_variable: str | None = None
    is_default: bool = False


async def add(tx: db.Transaction, caller: access.Caller, new: NewProvider, *, secret: str) -> ConfiguredProvider:
    """Add a provider; the first of an organization is its default. A stored key is encrypted with `secret`.

    Its address is the organization's own choice, private ones included: models run on the next machine. That is
    why only keys with full access reach this, and why the address is in the audit.

    Raises:
        InvalidValueError: something about it is not acceptable.
        ConflictError: the organization has a provider of this name.
    """
    kind = configured(new.kind, dict(new.options))
    _check(new)
    await store.lock_organization(tx, caller.organization_id)
    others = await store.list_providers(tx, caller.organization_id)
    if len(others) >= MAX_PROVIDERS:
        message = f"An organization has at most {MAX_PROVIDERS} providers."
        raise InvalidValueError(message)
    provider_id = ids.new_id("prov")
    provider = ConfiguredProvider(
        id=provider_id,
        organization_id=caller.organization_id,
        name=new.name,
        kind=new.kind,
        models=tuple(new.models),
        options=kind.model_dump(mode="json", by_alias=True),
        prices=dict(new.prices),
        is_default=new.is_default or not others,
        encrypted_key=None if new.key is None else sealing.sealed(new.key, secret=secret, provider_id=provider_id),
        key_variable=new.key_variable,
        created_at=clock.now(),
    )
    if not await store.insert(tx, provider):
        message = f"There is a provider {new.name!r} already."
        raise ConflictError(message, field="name", hint="Remove it first; providers are not changed.")
    await _record(tx, caller, "provider.added", provider)
    return provider


async def list_providers(tx: db.Transaction, organization_id: str) -> list[ConfiguredProvider]:
    """Return the providers of an organization, the default first, then the oldest first."""
    return await store.list_providers(tx, organization_id)


async def find(tx: db.Transaction, organization_id: str, provider: str) -> ConfiguredProvider:
    """Return a provider by its id or name.

    Raises:
        NotFoundError: the organization has no such provider.
    """
    for found in await store.list_providers(tx, organization_id):
        if provider in {found.id, found.name}:
            return found
    raise _not_found()


async def remove(tx: db.Transaction, caller: access.Caller, provider: str) -> ConfiguredProvider:
    """Remove a provider by its id or name, and its key with it. Calls under way still end.

    If it was the default, the oldest of the others is now.

    Raises:
        NotFoundError: the organization has no such provider.
    """
    await store.lock_organization(tx, caller.organization_id)
    removed = await store.delete(tx, caller.organization_id, provider)
    if removed is None:
        raise _not_found()
    await _record(tx, caller, "provider.removed", removed)
    return removed


def _check(new: NewProvider) -> None:
    if not _NAME.fullmatch(new.name):
        message = "A provider's name has up to 64 of a-z, 0-9, - and _, and begins with a letter or digit."
        raise InvalidValueError(message, field="name")
    names = [model.name for model in new.models]
    if not 1 <= len(names) <= MAX_MODELS or len(set(names)) < len(names):
        message = f"A provider offers 1 to {MAX_MODELS} models, each once; the first is its default."
        raise InvalidValueError(message, field="models")
    unknown = new.prices.keys() - names
    if unknown:
        message = f"There is a price for {min(unknown)[:200]!r}, which is not among the models."
        raise InvalidValueError(message, field="prices")
    _check_key(new)


def _check_key(new: NewProvider) -> None:
    if new.key is not None and new.key_variable is not None:
        message = "A key is stored, or read from a variable, not both."
        raise InvalidValueError(message, field="keyVariable")
    # A header is built from it: blanks and line ends come from copying, and other letters cannot be sent.
    if new.key is not None and not re.fullmatch(r"[!-~]{1,4096}", new.key):
        message = "A key consists of printable ASCII characters without blanks."
        raise InvalidValueError(message, field="key")
    variable = new.key_variable
    if variable is not None and not _KEY_VARIABLE.fullmatch(variable):
        message = "The variable of a key is written in capitals, ends with _API_KEY, and is none of assay's own."
        raise InvalidValueError(message, field="keyVariable")


async def _record(tx: db.Transaction, caller: access.Caller, action: str, provider: ConfiguredProvider) -> None:
    base_url = str(provider.options.get("baseUrl"))
    detail: dict[str, JsonValue] = {
        "name": provider.name,
        "kind": provider.kind,
        "baseUrl": base_url,
        "privateAddress": _is_private(base_url),
        "models": [model.name for model in provider.models],
        "key": "stored" if provider.encrypted_key else provider.key_variable,
    }
    await access.record_by(tx, caller, action, provider.id, detail)


def _is_private(base_url: str) -> bool:
    """Tell whether the address says itself that it is not on the internet; names are not looked up."""
    host = urlsplit(base_url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _not_found() -> NotFoundError:
    message = "There is no provider with this id or name."
    return NotFoundError(message, hint="`assay providers list` shows them.")
