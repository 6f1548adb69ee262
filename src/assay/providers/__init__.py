"""Model providers: which models an organization can ask, how they are reached, and what they cost."""

from assay.providers.base import Connection, ProviderKind
from assay.providers.catalogue import kinds
from assay.providers.configuring import NewProvider, add, find, list_providers, remove
from assay.providers.connecting import Models
from assay.providers.errors import ModelUnknownError, ProviderError, ProviderKeyError, ProviderNotConfiguredError
from assay.providers.model import (
    Answer,
    ConfiguredProvider,
    Message,
    Model,
    OfferedModel,
    Picture,
    Price,
    Question,
    Tokens,
    Tool,
    ToolCall,
)
from assay.providers.pacing import Patience
from assay.providers.resolution import provider_of_the_machine
from assay.providers.structured import structured_answer, usage_of
from assay.providers.testing import Trial, try_out

__all__ = [
    "Answer",
    "ConfiguredProvider",
    "Connection",
    "Message",
    "Model",
    "ModelUnknownError",
    "Models",
    "NewProvider",
    "OfferedModel",
    "Patience",
    "Picture",
    "Price",
    "ProviderError",
    "ProviderKeyError",
    "ProviderKind",
    "ProviderNotConfiguredError",
    "Question",
    "Tokens",
    "Tool",
    "ToolCall",
    "Trial",
    "add",
    "find",
    "kinds",
    "list_providers",
    "provider_of_the_machine",
    "remove",
    "structured_answer",
    "try_out",
    "usage_of",
]
