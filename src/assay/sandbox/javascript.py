"""How a child calls a JavaScript function: types taken out, limits set, nothing but JSON in and out."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, cast

import quickjs

from assay.sandbox.errors import (
    ScriptError,
    ScriptFunctionMissingError,
    ScriptMemoryLimitError,
    ScriptOutputLimitError,
    ScriptResultInvalidError,
    ScriptSyntaxError,
    ScriptTimeoutError,
)
from assay.sandbox.protocol import Failure, Request

_COMPILER_STACK_BYTES: Final = 2 << 20
_COMPILER_MEMORY_BYTES: Final = 64 << 20
_MESSAGE_CHARACTERS: Final = 1000
_MATCHES: Final = 100_000
_FRAME: Final = re.compile(r"^    at (?P<function>.*?) \((?:<input>:(?P<line>\d+):\d+|native)\)$", re.MULTILINE)
_UNREAD: Final = re.compile(r"^    at <input>:(\d+):\d+$", re.MULTILINE)
_COMPILER_PLACE: Final = re.compile(r" \((\d+):\d+\)$")
_PASSED_ON: Final = "!"

# Made before the script runs, from what the script can no longer change. It is one line, and its
# function has a name no script needs, so that its frames are never taken for the user's.
_CALLER: Final = (
    """
(() => {
  const {parse, stringify} = JSON, {apply} = Reflect, finite = Number.isFinite, text = String;
  const refused = {message: ""};
  const unfit = [[Promise, "a Promise; scripts are synchronous"], [Map, "a Map; use Object.fromEntries"],
    [Set, "a Set; use Array.from"], [WeakMap, "a WeakMap"], [WeakSet, "a WeakSet"]];
  const refuse = (key, what) => {
    refused.message = key === "" ? "The script returned " + what + "."
      : "The script returned " + what + " at \\"" + key + "\\".";
    throw refused;
  };
  const check = (key, value) => {
    const kind = typeof value;
    if (kind === "number" && !finite(value)) refuse(key, text(value));
    if (kind === "bigint") refuse(key, "a BigInt; use Number or String");
    if (kind === "function" || kind === "symbol") refuse(key, "a " + kind);
    if (kind === "undefined" && key === "") refuse(key, "nothing (undefined)");
    if (kind === "object" && value !== null)
      for (let i = 0; i < unfit.length; i++) if (value instanceof unfit[i][0]) refuse(key, unfit[i][1]);
    return value;
  };
  return function assay_call(script, input, limit) {
    if (typeof script !== "function") return "!script_function_missing";
    const result = apply(script, undefined, parse(input));
    let output;
    try {
      output = stringify(result, check);
    } catch (error) {
      if (error === refused) return "!script_result_invalid:" + refused.message;
      if (error instanceof TypeError && error.message === "circular reference")
        return "!script_result_invalid:The script returned a value that contains itself.";
      throw error;
    }
    return output.length > limit ? "!script_output_limit" : output;
  };
})()
"""
).replace("\n", " ")

# The result is one flat list a match: start and end of the whole and of each group, -1 for one that took no part.
_MATCHER: Final = (
    """
(function assay_call(pattern, flags, input, limit) {
  const {text} = JSON.parse(input);
  const expression = new RegExp(pattern, flags.replace(/[dg]/g, "") + "dg");
  const found = [];
  for (const match of text.matchAll(expression)) {
    if (found.length === limit) return "!script_output_limit";
    found.push(match.indices.flatMap((range) => range ?? [-1, -1]));
  }
  return JSON.stringify(found);
})
"""
).replace("\n", " ")


class _Context(Protocol):
    def eval(self, code: str) -> object: ...
    def set_memory_limit(self, limit: int) -> None: ...
    def set_time_limit(self, limit: float) -> None: ...
    def set_max_stack_size(self, limit: int) -> None: ...


_new_context = cast("Callable[[], _Context]", quickjs.Context)
_JSException = cast("type[Exception]", quickjs.JSException)
_Function = Callable[..., str]


class Compiler:
    """Takes the types out of TypeScript, line by line. Loaded once (30 ms), used by forked copies."""

    def __init__(self) -> None:
        self._context = _new_context()
        self._context.set_max_stack_size(_COMPILER_STACK_BYTES)
        self._context.eval((Path(__file__).parent / "vendor" / "sucrase.js").read_text("utf-8"))
        options = "{transforms: ['typescript'], disableESTransforms: true}"
        self._compile = cast("_Function", self._context.eval(f"(source) => transform(source, {options}).code"))
        self._compile("let warm: number = 1;")

    def compile(self, source: str, seconds: float) -> str | Failure:
        """Return the same program in JavaScript, its lines where they were."""
        self._context.set_time_limit(seconds)
        self._context.set_memory_limit(_COMPILER_MEMORY_BYTES)
        try:
            return self._compile(source)
        except _JSException as error:
            failure = _failure(error)
            if failure.code != ScriptError.code:
                return failure
            message = str(error).split("\n    at ", 1)[0].removeprefix("SyntaxError: ").removeprefix("Error: ")
            place = _COMPILER_PLACE.search(message)
            line = int(place[1]) if place else None
            return Failure(ScriptSyntaxError.code, _COMPILER_PLACE.sub("", message), line)


def answer(request: Request, compiler: Compiler) -> bytes | Failure:
    """Do what is asked, in this process, once: an interpreter that ran a script is not used again."""
    try:
        return _match(request) if request.kind == "match" else _call(request, compiler)
    except MemoryError:
        return Failure(ScriptMemoryLimitError.code)


def _call(request: Request, compiler: Compiler) -> bytes | Failure:
    started = time.process_time()
    source = request.source
    if request.kind == "typescript":
        compiled = compiler.compile(source, request.seconds)
        if isinstance(compiled, Failure):
            return compiled
        source = compiled
    context = _limited_context(request)
    call = cast("_Function", context.eval(_CALLER))
    try:
        context.eval(source)
    except _JSException as error:
        return _failure(error, compiling=True)
    try:
        script = context.eval(request.function)
    except _JSException:
        return Failure(ScriptFunctionMissingError.code)
    left = request.seconds - (time.process_time() - started)
    if left <= 0:
        return Failure(ScriptTimeoutError.code)
    context.set_time_limit(left)
    try:
        return _result(call(script, request.arguments, request.output_bytes), request)
    except _JSException as error:
        return _failure(error)


def _match(request: Request) -> bytes | Failure:
    context = _limited_context(request)
    match = cast("_Function", context.eval(_MATCHER))
    try:
        return _result(match(request.source, request.function, request.arguments, _MATCHES), request)
    except _JSException as error:
        failure = _failure(error)
        if failure.code == ScriptError.code and "SyntaxError" in str(error):
            return Failure(ScriptSyntaxError.code, (failure.message or "").removeprefix("SyntaxError: "))
        return failure


def _limited_context(request: Request) -> _Context:
    context = _new_context()
    context.set_memory_limit(request.memory_bytes)
    context.set_time_limit(request.seconds)
    return context


def _result(output: object, request: Request) -> bytes | Failure:
    if not isinstance(output, str):
        return Failure(ScriptResultInvalidError.code)
    if output.startswith(_PASSED_ON):
        code, _, message = output[1:].partition(":")
        return Failure(code, message or None)
    encoded = output.encode()
    return encoded if len(encoded) <= request.output_bytes else Failure(ScriptOutputLimitError.code)


def _failure(error: Exception, *, compiling: bool = False) -> Failure:
    """Say what an exception means; QuickJS has one class for all, its own limits included."""
    text = str(error)
    message = text.split("\n    at ", 1)[0].removesuffix("\nundefined").strip()
    if message == "InternalError: interrupted":
        return Failure(ScriptTimeoutError.code)
    if message == "InternalError: out of memory":
        return Failure(ScriptMemoryLimitError.code, None, _users_line(text))
    # What QuickJS throws where not even the error has room.
    if message == "null":
        return Failure(ScriptMemoryLimitError.code, "The script needs more memory than it may use, or it threw null.")
    # A program that cannot be read has a place, and no function yet.
    unread = _UNREAD.search(text) if compiling and "<eval>" not in text else None
    if unread:
        message = message.removeprefix("SyntaxError: ")
        return Failure(ScriptSyntaxError.code, message[:_MESSAGE_CHARACTERS], int(unread[1]))
    shown = message.removeprefix("Error: ")[:_MESSAGE_CHARACTERS]
    return Failure(ScriptError.code, shown or None, _users_line(text))


def _users_line(text: str) -> int | None:
    for frame in _FRAME.finditer(text):
        if frame["function"] == "assay_call":
            return None
        if frame["line"]:
            return int(frame["line"])
    return None
