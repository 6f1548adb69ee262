"""Scripts that nobody trusts: `Sandbox` runs them, `signature_of` reads them without running anything."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.sandbox.errors import (
        SandboxUnavailableError,
        ScriptError,
        ScriptFunctionMissingError,
        ScriptMemoryLimitError,
        ScriptOutputLimitError,
        ScriptResultInvalidError,
        ScriptSyntaxError,
        ScriptTimeoutError,
    )
    from assay.sandbox.model import SOURCE_CHARACTERS, Capture, Language, Match, ScriptLimits, Signature
    from assay.sandbox.running import Sandbox
    from assay.sandbox.signatures import signature_of

__all__ = [
    "SOURCE_CHARACTERS",
    "Capture",
    "Language",
    "Match",
    "Sandbox",
    "SandboxUnavailableError",
    "ScriptError",
    "ScriptFunctionMissingError",
    "ScriptLimits",
    "ScriptMemoryLimitError",
    "ScriptOutputLimitError",
    "ScriptResultInvalidError",
    "ScriptSyntaxError",
    "ScriptTimeoutError",
    "Signature",
    "signature_of",
]

_HOMES = ("errors", "model", "running", "signatures")


def __getattr__(name: str) -> object:
    # The zygote lives in this package too. It must not load asyncio, pydantic and the parsers: each
    # fork would copy their page tables (a script takes 3 instead of 4.5 ms, the start 0.08 instead of 0.15 s).
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                value: object = getattr(module, name)
                globals()[name] = value
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
