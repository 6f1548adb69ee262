"""How a Python function is called: by Monty, an interpreter with nothing around it, in a worker process of its pool."""

import asyncio
from typing import Final

import pydantic_monty as monty

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
from assay.sandbox.model import ScriptLimits

_GRACE_SECONDS: Final = 0.5
_RECURSION_DEPTH: Final = 500
_MESSAGE_CHARACTERS: Final = 1000
_OUT_OF_TIME: Final = ("TimeoutError: feed time limit", "TimeoutError: sleep limit")
# After the script, so that its lines keep their numbers; each on a line of its own, so that a
# traceback tells which of them failed.
_CALL: Final = """
import json as assay_json
assay_result = {function}(*assay_json.loads(assay_arguments))
assay_json.dumps(assay_result, allow_nan=False, ensure_ascii=False)
"""
_CALL_LINE: Final = 2


class PythonScripts:
    """A pool of Monty workers, started when first needed; a worker that breaks is replaced by the pool."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool: monty.AsyncMonty | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def call(self, source: str, function: str, arguments: str, limits: ScriptLimits) -> str:
        """Return the JSON text of what the function returns for the JSON list of arguments.

        Cancelling this kills the worker.

        Raises:
            ScriptError: As in `errors`.
            SandboxUnavailableError: The workers cannot be started, or the pool is closed.
        """
        pool = await self._living_pool()
        program = source + _CALL.format(function=function)
        last_line = source.count("\n") + 1
        try:
            # Sleep does not count as work; together they may take no longer than work alone.
            async with (
                asyncio.timeout(limits.seconds + _GRACE_SECONDS),
                pool.checkout(limits=_monty_limits(limits)) as session,
            ):
                result = await session.feed_run(
                    program,
                    inputs={"assay_arguments": arguments},
                    # Without a collector, what the script prints goes to our own standard output.
                    print_callback=monty.CollectString(limits.output_bytes),
                )
        except (monty.MontyError, monty.MontyCrashedError) as error:
            if _is_print_flood(error, limits):
                raise ScriptOutputLimitError("The script prints more than it may.") from error
            raise _script_error(error, function, last_line) from error
        except TimeoutError as error:
            raise ScriptTimeoutError from error
        if not isinstance(result, str):
            raise ScriptResultInvalidError
        return result

    async def close(self) -> None:
        """End the workers; later calls fail. A second call does nothing."""
        self._closed = True
        async with self._starting:
            pool, self._pool = self._pool, None
        if pool:
            await pool.__aexit__(None, None, None)

    async def _living_pool(self) -> monty.AsyncMonty:
        async with self._starting:
            if self._closed:
                raise SandboxUnavailableError("The sandbox is closed.")
            if self._pool is None:
                pool = monty.AsyncMonty(
                    max_processes=self._size,
                    feed_duration_limit_grace=_GRACE_SECONDS,
                )
                try:
                    self._pool = await pool.__aenter__()
                except (OSError, monty.MontyError, RuntimeError) as error:
                    raise SandboxUnavailableError from error
            return self._pool


def _monty_limits(limits: ScriptLimits) -> monty.ResourceLimits:
    return {
        "max_feed_duration_secs": limits.seconds,
        "max_memory": limits.memory_bytes,
        "max_total_sleep_secs": limits.seconds,
        "max_recursion_depth": _RECURSION_DEPTH,
    }


def _script_error(error: Exception, function: str, last_line: int) -> ScriptError:
    if isinstance(error, monty.MontyCrashedError):
        return (
            ScriptTimeoutError()
            if error.timed_out
            else ScriptMemoryLimitError("The script made its interpreter crash.")
        )
    message = str(error)
    lines = [frame.line for frame in _frames(error)]
    line = min(lines[-1], last_line) if lines else None
    if isinstance(error, monty.MontySyntaxError):
        return ScriptSyntaxError(message[:_MESSAGE_CHARACTERS], line=line)
    if message.startswith(_OUT_OF_TIME):
        return ScriptTimeoutError()
    if message.startswith("MemoryError"):
        return ScriptMemoryLimitError()
    at_call = lines[-1] - last_line if lines else 0
    if at_call > _CALL_LINE:
        return ScriptResultInvalidError(f"The script returned something that is not JSON: {message}")
    if at_call == _CALL_LINE and message == f"NameError: name '{function}' is not defined":
        return ScriptFunctionMissingError()
    return ScriptError(message.removeprefix("Exception: ")[:_MESSAGE_CHARACTERS], line=None if at_call > 0 else line)


def _is_print_flood(error: Exception, limits: ScriptLimits) -> bool:
    # The collector speaks as the heap does, but it names its own limit and has no place in the script.
    return not _frames(error) and str(error).endswith(f"> {limits.output_bytes} bytes")


def _frames(error: Exception) -> list[monty.Frame]:
    if isinstance(error, (monty.MontyRuntimeError, monty.MontySyntaxError)):
        return error.traceback()
    return []
