"""Which machine runs a script, how many at once, and what its end means."""

import asyncio
import bisect
import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from assay import jsontext
from assay.sandbox.children import Children
from assay.sandbox.errors import (
    BY_CODE,
    SandboxUnavailableError,
    ScriptError,
    ScriptMemoryLimitError,
    ScriptOutputLimitError,
    ScriptResultInvalidError,
    ScriptSyntaxError,
    ScriptTimeoutError,
)
from assay.sandbox.model import SOURCE_CHARACTERS, Capture, Language, Match, ScriptLimits
from assay.sandbox.protocol import NOT_STARTED, Failure, Request, decode_reply
from assay.sandbox.python_scripts import PythonScripts

if TYPE_CHECKING:
    from pydantic import JsonValue

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_FLAGS: Final = re.compile("[dgimsuvy]*")
_KILLED_FOR_TIME: Final = frozenset({-signal.SIGXCPU, -signal.SIGKILL})
_BASIC_PLANE: Final = "\uffff"


class Sandbox:
    """Runs scripts that nobody trusts; one a worker process, started when it is first needed.

    A script gets JSON and returns JSON. It has no files, network, environment, modules of the host
    or other scripts' leftovers; `Date`, `datetime` and random numbers work, in UTC and unseeded, so
    a script that uses them may answer differently when it is run again. Scripts run side by side up
    to `concurrency`; others wait, which does not count against their time.
    """

    def __init__(self, *, concurrency: int | None = None) -> None:
        size = concurrency or max(2, os.cpu_count() or 2)
        self._free = asyncio.Semaphore(size)
        self._children = Children()
        self._python = PythonScripts(size)

    async def run(
        self,
        *,
        language: Language,
        source: str,
        function: str,
        arguments: "Mapping[str, JsonValue]",
        limits: ScriptLimits | None = None,
    ) -> "JsonValue":
        """Call a top-level function of the script with the arguments, in their order, and return its result.

        Whole numbers of JavaScript come back as int, others as float; properties that are undefined
        are left out. Cancelling this kills the script.

        Raises:
            ScriptError: A subclass says what is wrong with the script or which limit stopped it.
            SandboxUnavailableError: The sandbox cannot be started, or is closed.
        """
        limits = limits or ScriptLimits()
        _check_text(source)
        if not _IDENTIFIER.fullmatch(function):
            raise ScriptSyntaxError(f"{function!r} cannot be the name of a function.")
        encoded = _encode_arguments(list(arguments.values()), limits)
        async with self._free:
            if language == "python":
                output = (await self._python.call(source, function, encoded, limits)).encode()
                if len(output) > limits.output_bytes:
                    raise ScriptOutputLimitError
            else:
                output = await self._ask(
                    Request(
                        kind=language,
                        source=source,
                        function=function,
                        arguments=encoded,
                        seconds=limits.seconds,
                        memory_bytes=limits.memory_bytes,
                        output_bytes=limits.output_bytes,
                    )
                )
        return _decode_result(output)

    async def match(self, pattern: str, flags: str, text: str, *, limits: ScriptLimits | None = None) -> list[Match]:
        """Return all matches of a JavaScript regular expression; as with the flag `g`, whatever the flags say.

        Raises:
            ScriptSyntaxError: The pattern or its flags are not JavaScript's.
            ScriptTimeoutError: The pattern explodes on this text.
            ScriptError: A subclass says which other limit stopped it.
            SandboxUnavailableError: The sandbox cannot be started, or is closed.
        """
        limits = limits or ScriptLimits()
        if "\0" in pattern or not _is_unicode(pattern) or not _FLAGS.fullmatch(flags):
            raise ScriptSyntaxError("The pattern or its flags are not those of a JavaScript regular expression.")
        if len(text) > limits.memory_bytes:
            raise ScriptMemoryLimitError
        request = Request(
            kind="match",
            source=pattern,
            function=flags,
            # Escaped, so that lone surrogates and NUL arrive and keep their places.
            arguments=json.dumps({"text": text}),
            seconds=limits.seconds,
            memory_bytes=limits.memory_bytes,
            output_bytes=limits.output_bytes,
        )
        async with self._free:
            output = await self._ask(request)
        positions = _Positions(text)
        return [_read_match(ranges, text, positions) for ranges in json.loads(output)]

    async def close(self) -> None:
        """End all processes; scripts under way and later ones fail. A second call does nothing."""
        await self._children.close()
        await self._python.close()

    async def _ask(self, request: Request) -> bytes:
        try:
            raw, status = await self._children.ask(request)
        except TimeoutError as error:
            raise ScriptTimeoutError from error
        reply = decode_reply(raw)
        if isinstance(reply, Failure):
            raise BY_CODE.get(reply.code, ScriptError)(reply.message, line=reply.line)
        if status == 0 and reply is not None and len(reply) <= request.output_bytes:
            return reply
        if status == NOT_STARTED:
            raise SandboxUnavailableError
        if status in _KILLED_FOR_TIME:
            raise ScriptTimeoutError
        # What a child says is not trusted further than this: an interpreter that broke is not asked why.
        raise ScriptMemoryLimitError("The script made its interpreter crash.")


class _Positions:
    """Positions in UTF-16 units, as JavaScript counts them, turned into characters."""

    def __init__(self, text: str) -> None:
        # Where each character that takes two units ends.
        self._pairs: list[int] = []
        if max(text, default="") > _BASIC_PLANE:
            for index, character in enumerate(text):
                if character > _BASIC_PLANE:
                    self._pairs.append(index + len(self._pairs) + 2)

    def character(self, unit: int) -> int:
        return unit - bisect.bisect_right(self._pairs, unit)


def _read_match(ranges: Sequence[int], text: str, positions: _Positions) -> Match:
    captures = [
        _capture(text, positions.character(start), positions.character(end)) if start >= 0 else None
        for start, end in zip(ranges[::2], ranges[1::2], strict=True)
    ]
    assert captures[0] is not None
    return Match(captures[0], tuple(captures[1:]))


def _capture(text: str, start: int, end: int) -> Capture:
    return Capture(text[start:end], start, end)


def _check_text(source: str) -> None:
    if len(source) > SOURCE_CHARACTERS:
        raise ScriptSyntaxError(f"The script is longer than {SOURCE_CHARACTERS:,} characters.")
    if "\0" in source or not _is_unicode(source):
        raise ScriptSyntaxError("The script contains characters that are not text.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encode_arguments(values: "list[JsonValue]", limits: ScriptLimits) -> str:
    try:
        encoded = jsontext.dump(values)
    except ValueError as error:
        raise ScriptError(f"The arguments cannot be passed on: {error}") from error
    if len(encoded) > limits.memory_bytes:
        raise ScriptMemoryLimitError("The arguments are larger than the memory that the script may use.")
    return encoded


def _decode_result(output: bytes) -> "JsonValue":
    try:
        return jsontext.load(output.decode())
    except (ValueError, UnicodeDecodeError):
        pass
    # Lone surrogates, which JavaScript has and the database cannot hold.
    try:
        return jsontext.load(jsontext.dump(json.loads(output)))
    except (ValueError, RecursionError) as error:
        raise ScriptResultInvalidError("The script returned something nested too deeply, or not JSON.") from error
