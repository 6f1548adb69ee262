"""What a template sees while it runs, what a missing name does, and the count of what it has used up."""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import StringIO
from typing import TextIO, cast

from liquid import RenderContext, StrictDefaultUndefined, Token, Undefined
from liquid.exceptions import ResourceLimitError
from liquid.template import BoundTemplate
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap
from pydantic import JsonValue
from typing_extensions import override

from assay.expressions.limits import (
    MAX_ITERATIONS,
    MAX_SIZE,
    MAX_WORK,
    TURN_COST,
    filter_cost,
    require_room,
    size,
    weigh,
)
from assay.expressions.values import member, plain

_BUILT_IN: Mapping[str, object] = {"env": {}}
_NAME = re.compile(r"\w[\w-]*\??")


class Scope(RenderContext):
    """The names of one evaluation and its budget; used for one template, then thrown away."""

    __slots__ = ("_iterations", "_local_sizes", "_locals_size", "_work", "lenient", "turn_weight")

    def __init__(self, template: BoundTemplate, data: Mapping[str, JsonValue], *, lenient: bool = False) -> None:
        super().__init__(template, globals=data)
        # Without the library's `now` and `today`: a replayed run must give the same answer.
        self.scope = ReadOnlyChainMap(self.locals, data, _BUILT_IN, self.counters)
        self.lenient = lenient
        self.turn_weight = 1
        self._work = MAX_WORK
        self._iterations = 0
        self._local_sizes: dict[str, int] = {}
        self._locals_size = 0

    def spend(self, work: int) -> None:
        """Count characters and items that were read or made.

        Raises:
            ResourceLimitError: the template has used up its budget.
        """
        self._work -= work
        if self._work < 0:
            msg = "the template does more work than one template may do"
            raise ResourceLimitError(msg, token=None)

    @contextmanager
    def leniently(self) -> Generator[None]:
        """Let what is missing count as nil within the block: the rule for conditions."""
        before, self.lenient = self.lenient, True
        try:
            yield
        finally:
            self.lenient = before

    @override
    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        try:
            value = find(self.scope, path)
        except MissingError as missing:
            return self._missing(missing.name, token) if default is UNDEFINED else default
        self.spend(size(value))
        return value

    @override
    def assign(self, key: str, val: object) -> None:
        value = plain(self.present(val))
        self.locals[key] = value
        weight = weigh(value)
        self._locals_size += weight - self._local_sizes.get(key, 0)
        self._local_sizes[key] = weight
        self.spend(weight)
        if self._locals_size > MAX_SIZE:
            msg = f"the local variables are larger than {MAX_SIZE:,} characters"
            raise ResourceLimitError(msg, token=None)

    @override
    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        return partial(self._apply, name)

    @override
    def raise_for_loop_limit(self, length: int = 1) -> None:
        self._iterations += length
        if self._iterations > MAX_ITERATIONS:
            msg = f"the loops turn more than {MAX_ITERATIONS:,} times"
            raise ResourceLimitError(msg, token=None)
        self.spend(length * self.turn_weight * TURN_COST)

    @override
    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        return _Buffer(self)

    def present(self, value: object) -> object:
        """Return the value, None for what is missing where that is allowed.

        Raises:
            UndefinedError: it is missing.
        """
        if not isinstance(value, Undefined):
            return value
        value.poke()
        return None

    def _apply(self, name: str, left: object, *args: object, **options: object) -> object:
        guarded = name == "default" and isinstance(left, Undefined)
        subject = None if guarded else plain(self.present(left))
        given = [self._argument(value) for value in args]
        named = {key: self._argument(value) for key, value in options.items()}
        result: object = self.env.filters[name](subject, *given, **named)
        require_room(size(result), size(subject))
        self.spend(sum(map(filter_cost, (subject, *given, result))))
        return result

    def _argument(self, value: object) -> object:
        return value if callable(value) else plain(self.present(value))

    def _missing(self, name: str, token: Token | None) -> Undefined:
        kind = Undefined if self.lenient else _Missing
        return kind(name, token=token, hint=f"{name} is undefined")


class _Missing(StrictDefaultUndefined):
    """What a strict scope gives for a missing name: it may be recognized, anything else raises."""

    __slots__ = ()

    allowed_properties = StrictDefaultUndefined.allowed_properties | {"__class__"}


class MissingError(Exception):
    """A path leads nowhere."""

    def __init__(self, name: str) -> None:
        """Keep the path up to the part that is missing."""
        super().__init__(name)
        self.name = name


def find(data: Mapping[str, object], path: Sequence[object]) -> object:
    """Follow a path through data.

    Raises:
        MissingError: a part of it is not there.
    """
    value: object = data
    for depth, key in enumerate(path):
        try:
            value = data[cast("str", key)] if depth == 0 else member(value, key)
        except (LookupError, TypeError):
            raise MissingError(_dotted(path[: depth + 1])) from None
    return value


def find_bare(data: Mapping[str, JsonValue], path: Sequence[object]) -> JsonValue:
    """Follow a path through what a template sees before it has set any name of its own.

    Raises:
        MissingError: a part of it is not there.
    """
    known = data if path[0] in data else _BUILT_IN
    return plain(find(known, path))


def _dotted(path: Sequence[object]) -> str:
    parts = [_segment(key) for key in path]
    return "".join(parts).removeprefix(".")


def _segment(key: object) -> str:
    if isinstance(key, str):
        return f".{key}" if _NAME.fullmatch(key) else f'["{key}"]'
    return f"[{key}]" if isinstance(key, int) else "[?]"


class _Buffer(StringIO):
    """Text in the making, which stops growing at the limit."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope
        self._room = MAX_SIZE

    @override
    def write(self, text: str, /) -> int:
        self._room -= len(text)
        if self._room < 0:
            msg = f"the text grows longer than {MAX_SIZE:,} characters"
            raise ResourceLimitError(msg, token=None)
        self._scope.spend(len(text))
        return super().write(text)
