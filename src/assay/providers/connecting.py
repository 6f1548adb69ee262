"""How one process reaches the providers of all organizations: one paced connection each, opened when first asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from assay import db
from assay.providers import sealing, store
from assay.providers.catalogue import configured
from assay.providers.errors import ProviderError, ProviderKeyError
from assay.providers.model import Answer, ConfiguredProvider, Model, Question
from assay.providers.pacing import PacedConnection, Patience
from assay.providers.prices import cost_usd
from assay.providers.remembering import RememberingModel
from assay.providers.resolution import Choice, choose

KeyLookup = Callable[[str], str | None]
"""Gives the value of an environment variable."""

_KEPT_CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class _PricedModel:
    """A model behind a paced connection."""

    choice: Choice
    connection: PacedConnection

    @property
    def provider(self) -> str:
        return self.choice.provider.name

    @property
    def name(self) -> str:
        return self.choice.model.name

    @property
    def context_tokens(self) -> int:
        return self.choice.model.context_tokens

    async def ask(self, question: Question) -> Answer:
        try:
            answer = await self.connection.ask(self.name, question)
        except ProviderError as error:
            error.provider = self.provider
            raise
        own = self.choice.provider.prices.get(self.name)
        base_url = self.connection.kind.base_url
        cost = await asyncio.to_thread(cost_usd, answer.tokens, model=self.name, base_url=base_url, own=own)
        return replace(answer, cost_usd=cost)


@dataclass(slots=True)
class Models:
    """The models that this process can reach. Close it at the end.

    `secret` opens stored keys, `key_of` reads the environment. Limits on concurrency and rate hold for each
    provider in this process.
    """

    database: db.Database
    secret: str
    key_of: KeyLookup
    patience: Patience = field(default_factory=Patience)
    worker_default: ConfiguredProvider | None = None
    _connections: dict[str, PacedConnection] = field(default_factory=dict[str, PacedConnection])

    async def for_step(
        self, organization_id: str, run_id: str, step_key: str, *, requested: str | None, workflow_default: str | None
    ) -> Model:
        """Return the model that a step of a run asks; what it answers is kept until the run is deleted.

        Raises:
            ProviderNotConfiguredError: the organization has no provider.
            ModelUnknownError: no provider offers what is named.
            ProviderKeyError: the provider's key cannot be read.
        """
        model = await self.model(organization_id, requested=requested, workflow_default=workflow_default)
        return RememberingModel(model, self.database, organization_id, run_id, step_key)

    async def model(
        self, organization_id: str, *, requested: str | None = None, workflow_default: str | None = None
    ) -> Model:
        """Return a model, whose answers are kept nowhere. Raises what `for_step` raises."""
        providers = await self.database.when_available(lambda tx: store.list_providers(tx, organization_id))
        choice = choose(
            providers,
            requested=requested,
            workflow_default=workflow_default,
            worker_default=self.worker_default,
        )
        return _PricedModel(choice, await self._connection(choice.provider))

    async def check(self, organization_id: str, *, requested: str | None) -> str:
        """Return the `<provider>/<model>` that would answer, without asking it. Whether its key works is not looked at.

        Raises:
            ProviderNotConfiguredError: the organization has no provider.
            ModelUnknownError: no provider offers what is named.
        """
        providers = await self.database.when_available(lambda tx: store.list_providers(tx, organization_id))
        choice = choose(providers, requested=requested, workflow_default=None, worker_default=self.worker_default)
        return f"{choice.provider.name}/{choice.model.name}"

    async def close(self) -> None:
        """Close all connections. A second call does nothing."""
        while self._connections:
            _, connection = self._connections.popitem()
            await connection.connection.close()

    async def _connection(self, provider: ConfiguredProvider) -> PacedConnection:
        if provider.id not in self._connections:
            kind = configured(provider.kind, dict(provider.options))
            opened = await asyncio.to_thread(kind.connect, self._key(provider))
            # A removed provider's connection may still be in use: it is forgotten, and closed when it is collected.
            while len(self._connections) >= _KEPT_CONNECTIONS:
                del self._connections[next(iter(self._connections))]
            kept = self._connections.setdefault(provider.id, PacedConnection(opened, kind, self.patience))
            if kept.connection is not opened:  # somebody else was quicker
                await opened.close()
        return self._connections[provider.id]

    def _key(self, provider: ConfiguredProvider) -> str | None:
        if provider.encrypted_key is not None:
            return sealing.opened(provider.encrypted_key, secret=self.secret, provider_id=provider.id)
        if provider.key_variable is None:
            return None
        key = self.key_of(provider.key_variable)
        if not key:
            message = f"The environment variable {provider.key_variable} of this process is not set."
            raise ProviderKeyError(message, hint="Set it for the server and every worker, and start them again.")
        return key
