"""Which model a step gets: the one it names, else the workflow's, the organization's, or the worker's."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay import clock
from assay.providers.catalogue import configured
from assay.providers.errors import ModelUnknownError, ProviderNotConfiguredError
from assay.providers.model import ConfiguredProvider, OfferedModel


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider and one of its models."""

    provider: ConfiguredProvider
    model: OfferedModel


def provider_of_the_machine(
    base_url: str | None, model: str | None, key_variable: str | None
) -> ConfiguredProvider | None:
    """Build the provider that the operator's settings name, for organizations without one of their own.

    None if no model is named; without a base URL it is OpenAI.

    Raises:
        InvalidValueError: the base URL is none.
    """
    if model is None:
        return None
    kind = configured("openai", {} if base_url is None else {"baseUrl": base_url})
    return ConfiguredProvider(
        id="prov_of_the_machine",
        organization_id="",
        name="machine",
        kind="openai",
        models=(OfferedModel(name=model),),
        options=kind.model_dump(mode="json", by_alias=True),
        prices={},
        is_default=True,
        encrypted_key=None,
        key_variable=key_variable,
        created_at=clock.now(),
    )


def choose(
    providers: Sequence[ConfiguredProvider],
    *,
    requested: str | None,
    workflow_default: str | None,
    worker_default: ConfiguredProvider | None = None,
) -> Choice:
    """Choose among the providers of an organization, its default first.

    A name is that of a provider (its first model), `<provider>/<model>`, or that of a model; the first provider
    that offers it is taken. The worker's default serves organizations that have no provider at all.

    Raises:
        ProviderNotConfiguredError: there is no provider.
        ModelUnknownError: no provider offers what is named.
    """
    available = [*providers] or ([worker_default] if worker_default else [])
    if not available:
        raise ProviderNotConfiguredError
    name = requested or workflow_default
    if name is None:
        return Choice(available[0], available[0].models[0])
    found = _named(available, name)
    if found is None:
        known = ", ".join(f"{provider.name}/{model.name}" for provider in available for model in provider.models)
        message = f"No provider of the organization offers {name[:200]!r}."
        raise ModelUnknownError(message, hint=f"There are {known[:1000]}.")
    return found


def _named(providers: Sequence[ConfiguredProvider], name: str) -> Choice | None:
    for provider in providers:
        if provider.name == name:
            return Choice(provider, provider.models[0])
    for provider in providers:
        offered = provider.offered(name.removeprefix(f"{provider.name}/")) or provider.offered(name)
        if offered is not None:
            return Choice(provider, offered)
    return None
