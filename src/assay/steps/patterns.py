r"""How a JavaScript pattern is matched: respelled for RE2 where the meaning stays the same, else in the sandbox.

RE2 takes time linear in the text, so no pattern of a workflow can hang a worker. What it cannot express (look-around,
back-references) is matched by JavaScript itself, in a process that is stopped when the pattern explodes, rather than
approximated; whether it is a pattern at all is known before. Three readings of ours differ from JavaScript's where RE2
matches: characters are always code points, as with the flag `u`; `i` folds case as Unicode does; and with `m` all line
ends are one and the same character.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn, Protocol, cast

import re2

from assay import sandbox
from assay.jsontext import storable_text
from assay.steps.base import StepError
from assay.steps.pattern_grammar import NoPatternError, capture_groups

PATTERN_LIMIT = 10_000
"""Characters a pattern may have."""

_REPEAT_LIMIT = 1000
_SANDBOX_LIMITS: Final = sandbox.ScriptLimits(seconds=5.0, memory_bytes=128 << 20, output_bytes=8 << 20)
"""Enough to hold the longest text several times; a pattern that needs longer explodes."""
_ESCAPED_BLANK: Final = re.compile(r"\\(?:(?P<blank>u00[aA]0|xA0|xa0|u202[fF]|u2007)|.)", re.DOTALL)
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u202f\u2007"), " ")
_LINE_ENDS = dict.fromkeys(map(ord, "\r\u2028\u2029"), "\n")
_SPACES = (
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
_LAST_CHARACTER = 0x10FFFF
_ANY = "(?s:.)"
_NOTHING = rf"[^\x{{0}}-\x{{{_LAST_CHARACTER:x}}}]"
_NO_LINE_END = r"[^\n\r\x{2028}\x{2029}]"
_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_MODIFIERS = frozenset("ims-")


@dataclass(frozen=True, slots=True)
class Capture:
    """The text that a capture group took, and where it stands in the searched text (in characters)."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """The position after its last character."""
        return self.start + len(self.text)


class _Match(Protocol):
    def span(self, group: int = 0) -> tuple[int, int]: ...


class _Expression(Protocol):
    groups: int

    def finditer(self, text: str) -> Iterator[_Match]: ...


_RefusedError = cast("type[Exception]", re2.error)
_compile_re2 = cast("Callable[[str, object], _Expression]", re2.compile)


class Pattern:
    """A compiled pattern; build it with `compile_pattern`."""

    def __init__(self, expression: _Expression, folding: dict[int, str], *, is_sticky: bool) -> None:
        self._expression = expression
        self._folding = folding
        self._is_sticky = is_sticky

    @property
    def groups(self) -> int:
        """How many capture groups it has."""
        return self._expression.groups

    def captures(self, text: str) -> Iterator[Capture]:
        """Yield, match by match, what the first capture group that took anything took; "" if none did.

        No-break spaces count and come back as blanks; with the flag `m` every line end counts and comes back as a
        line feed. Both keep their place, so positions are those of the text given.
        """
        folded = storable_text(text).translate(self._folding)
        next_start = 0
        for match in self._expression.finditer(folded):
            first, last = match.span()
            if self._is_sticky and first != next_start:
                return
            next_start = max(last, first + 1)
            spans = [match.span(group) for group in range(1, self.groups + 1)]
            start, end = next((span for span in spans if span[0] < span[1]), (first, first))
            yield Capture(folded[start:end], start)


@dataclass(frozen=True, slots=True)
class SandboxedPattern:
    """A pattern that only JavaScript itself can match; build it with `any_pattern`."""

    source: str
    flags: str
    groups: int
    """How many capture groups it has."""

    async def captures(self, scripts: sandbox.Sandbox, text: str) -> list[Capture]:
        """Return what `Pattern.captures` would yield, all matches at once.

        Raises:
            StepError: `pattern_timeout` when it explodes on this text, `pattern_too_costly` when it needs too much
                memory or matches too often.
            SandboxUnavailableError: the sandbox cannot be started.
        """
        folded = storable_text(text).translate(_folding(self.flags))
        try:
            matches = await scripts.match(self.source, self.flags, folded, limits=_SANDBOX_LIMITS)
        except sandbox.ScriptSyntaxError as error:
            _invalid(error.message.rstrip("."))
        except sandbox.ScriptTimeoutError as error:
            message = f"The pattern took longer than {_SANDBOX_LIMITS.seconds:g} seconds on this text."
            hint = "Nested repetitions such as (a+)+ explode; write the pattern so that each text matches in one way."
            raise StepError("pattern_timeout", message, category="validation", hint=hint) from error
        except (sandbox.ScriptMemoryLimitError, sandbox.ScriptOutputLimitError) as error:
            message = "The pattern needs too much memory on this text, or matches too often."
            raise StepError("pattern_too_costly", message, category="validation") from error
        return [_first_capture(match) for match in matches]


class PatternUnsupportedError(StepError):
    """RE2 cannot match the pattern as JavaScript would."""


def any_pattern(source: str, flags: str = "") -> Pattern | SandboxedPattern:
    """Compile a JavaScript pattern for RE2, or keep it for the sandbox where RE2 cannot match it.

    Raises:
        StepError: `pattern_invalid` when it is no JavaScript pattern, `pattern_unsupported` when it is too long.
    """
    try:
        return compile_pattern(source, flags)
    except PatternUnsupportedError:
        spelled = _with_blanks(source)
        try:
            return SandboxedPattern(spelled, flags, capture_groups(spelled, flags))
        except NoPatternError as error:
            _invalid(str(error))


def _first_capture(match: sandbox.Match) -> Capture:
    found = next((group for group in match.groups if group is not None and group.text), None)
    return Capture("", match.whole.start) if found is None else Capture(found.text, found.start)


def _with_blanks(source: str) -> str:
    """Write no-break spaces of a pattern as blanks, for the text has none."""
    blanks = source.translate(_BLANKS)
    return _ESCAPED_BLANK.sub(lambda escape: " " if escape["blank"] else escape[0], blanks)


def _folding(flags: str) -> dict[int, str]:
    return _BLANKS | _LINE_ENDS if "m" in flags else _BLANKS


@lru_cache(maxsize=256)
def compile_pattern(source: str, flags: str = "") -> Pattern:
    """Compile a JavaScript pattern without its slashes; `flags` are letters of `dgimsuy`.

    `g` is implied, `u` adds the syntax that only it allows, and with `y` each match begins where the one before ended,
    the first at the start of the text.

    Raises:
        StepError: `pattern_invalid` when it is no JavaScript pattern, `pattern_unsupported` when it is too long.
        PatternUnsupportedError: `pattern_unsupported` when RE2 cannot match it.
    """
    if len(source) > PATTERN_LIMIT:
        message = _unsupported_words(f"more than {PATTERN_LIMIT} characters")
        raise StepError("pattern_unsupported", message, category="validation")
    folding = _folding(flags)
    body = _Translation(source, flags, folding).result()
    modes = "".join(letter for letter in "im" if letter in flags)
    options = re2.Options()
    options.log_errors = False
    try:
        expression = _compile_re2(f"(?{modes}){body}" if modes else body, options)
    except _RefusedError as error:
        _refuse(error.args[0])
    return Pattern(expression, folding, is_sticky="y" in flags)


def _refuse(reported: object) -> NoReturn:
    reason = reported.decode(errors="replace") if isinstance(reported, bytes) else str(reported)
    # What follows the colon is RE2's spelling of the pattern, which nobody wrote.
    summary = reason.partition(":")[0]
    if "too large" in reason or "nest" in reason or "repetition size" in reason:
        _unsupported(f"a pattern that is too large to match ({summary})")
    if reason.startswith("invalid character class range"):
        _unsupported(f"the character property {reason.partition(':')[2].strip()}")
    _invalid(summary)


def _invalid(reason: str, hint: str | None = None) -> NoReturn:
    message = f"This is not a JavaScript pattern: {reason}."
    raise StepError("pattern_invalid", message, category="validation", hint=hint)


def _unsupported(feature: str, hint: str | None = None) -> NoReturn:
    raise PatternUnsupportedError("pattern_unsupported", _unsupported_words(feature), category="validation", hint=hint)


def _unsupported_words(feature: str) -> str:
    return f"Patterns with {feature} are not supported."


def _spelled(character: int) -> str:
    """Spell one character so that it is never an operator, in and outside of brackets."""
    if 0xD800 <= character <= 0xDFFF:
        _unsupported("half of a surrogate pair")
    text = chr(character)
    return text if text.isascii() and text.isalnum() else rf"\x{{{character:x}}}"


def _range(first: int, last: int) -> str:
    return f"{_spelled(first)}-{_spelled(last)}"


def _complement(ranges: tuple[tuple[int, int], ...]) -> str:
    firsts = [0, *(last + 1 for _, last in ranges)]
    lasts = [*(first - 1 for first, _ in ranges), _LAST_CHARACTER]
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in zip(firsts, lasts, strict=True))


_SETS = {
    "d": r"\d",
    "D": r"\D",
    "w": r"\w",
    "W": r"\W",
    "s": "".join(_range(first, last) for first, last in _SPACES),
    "S": _complement(_SPACES),
}


@dataclass(slots=True)
class _Group:
    """What is known of a group while it is read; the pattern itself is the outermost one."""

    captures: bool = False
    """It is a capture group or contains one."""
    inner_captures: bool = False
    alternates: bool = False
    skips: bool = False
    """One pass through it may leave out a capture group in it."""
    consumes: bool = False
    """The alternative that is being read takes at least one character."""
    may_be_empty: bool = False
    prefers_empty: bool = False
    """It may be empty where it could also have taken something."""

    def next_alternative(self) -> None:
        self.prefers_empty |= not self.consumes
        self.alternates = True
        self._end_alternative()

    def close(self) -> None:
        self._end_alternative()
        self.skips |= self.alternates and self.inner_captures

    def take_in(self, inner: "_Group") -> None:
        """Count a group that just closed in this one."""
        self.inner_captures |= inner.captures
        self.captures |= inner.captures
        self.skips |= inner.skips
        self.prefers_empty |= inner.prefers_empty

    def _end_alternative(self) -> None:
        self.may_be_empty |= not self.consumes
        self.consumes = False


class _Translation:
    """One pass over a JavaScript pattern from left to right, writing RE2's spelling of it."""

    def __init__(self, source: str, flags: str, folding: dict[int, str]) -> None:
        self._source = source
        self._at = 0
        self._unicode = "u" in flags
        self._dot = _ANY if "s" in flags else _NO_LINE_END
        self._folding = folding
        self._written: list[str] = []
        self._groups = [_Group()]
        self._closed: _Group | None = None
        """The group that ends right here, and so is what a quantifier would repeat."""
        self._consumes = False
        """What was read last takes at least one character."""

    def result(self) -> str:
        while self._at < len(self._source):
            self._closed, self._consumes = None, False
            if self._bounds() is not None:
                _invalid("there is nothing to repeat")
            self._written.append(self._term())
            if self._consumes or self._closed is not None:
                self._quantifier()
            self._groups[-1].consumes |= self._consumes
        if len(self._groups) > 1:
            _invalid("a ( is never closed")
        return "".join(self._written)

    # Reading

    def _take(self, expected: str) -> bool:
        if not self._source.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def _next(self) -> str:
        if self._at == len(self._source):
            _invalid("it ends too early")
        self._at += 1
        return self._source[self._at - 1]

    def _hex(self, digits: int) -> int | None:
        found = self._source[self._at : self._at + digits]
        if len(found) < digits or not all(digit in "0123456789abcdefABCDEF" for digit in found):
            return None
        self._at += digits
        return int(found, 16)

    def _until(self, end: str) -> str:
        stop = self._source.find(end, self._at)
        if stop < 0:
            _invalid(f"a {end} is missing")
        found, self._at = self._source[self._at : stop], stop + len(end)
        return found

    # Terms

    def _term(self) -> str:
        character = self._next()
        match character:
            case "\\":
                return self._outer_escape()
            case "[":
                return self._brackets()
            case "(":
                return self._open()
            case ")":
                return self._close()
            case "|":
                self._groups[-1].next_alternative()
                return "|"
            case ".":
                self._consumes = True
                return self._dot
            case "^" | "$":
                return character
            case _:
                return self._literal(ord(character))

    def _literal(self, character: int) -> str:
        self._consumes = True
        return _spelled(ord(self._folding.get(character, chr(character))))

    def _open(self) -> str:
        if not self._take("?"):
            self._groups.append(_Group(captures=True))
            return "("
        if self._take(":"):
            self._groups.append(_Group())
            return "(?:"
        if any(self._take(look) for look in ("=", "!", "<=", "<!")):
            _unsupported("look-around", "Capture what you need and match what surrounds it outside of the group.")
        if self._take("<"):
            return self._open_named()
        if self._take("P<"):
            _invalid("(?P<name>…) is Python's", "Write (?<name>…).")
        if self._source[self._at : self._at + 1] in _MODIFIERS:
            _unsupported("flags inside of a group", "Name them under `flags`.")
        _invalid("a ( is followed by an unknown ?")

    def _open_named(self) -> str:
        name = self._until(">")
        if not name.replace("$", "_").isidentifier():
            _invalid(f"{name!r} is no group name")
        self._groups.append(_Group(captures=True))
        return "("

    def _close(self) -> str:
        if len(self._groups) == 1:
            _invalid("a ) was never opened")
        self._closed = self._groups.pop()
        self._closed.close()
        self._consumes = not self._closed.may_be_empty
        self._groups[-1].take_in(self._closed)
        return ")"

    # Quantifiers

    def _quantifier(self) -> None:
        start = self._at
        bounds = self._bounds()
        if bounds is None:
            return
        least, most = bounds
        if most is not None and most < least:
            _invalid("a repetition ends below its start")
        if max(least, most or 0) > _REPEAT_LIMIT:
            _unsupported(f"more than {_REPEAT_LIMIT} repetitions")
        self._groups[-1].prefers_empty |= self._take("?") and least == 0
        self._written.append(self._source[start : self._at])
        if self._closed is not None:
            self._repeat(self._closed, least, most)
        self._consumes &= least > 0

    def _repeat(self, group: _Group, least: int, most: int | None) -> None:
        # JavaScript forgets a group that the last pass left out, and makes no pass that takes nothing; RE2 keeps what
        # an earlier pass took, and makes one.
        if (most is None or most > 1) and (group.skips or (group.captures and group.may_be_empty)):
            _unsupported(
                "a capture group that a repetition may leave out or find empty", "Capture the whole repetition."
            )
        if (least == 0 or most != 1) and group.may_be_empty and group.prefers_empty:
            _unsupported("a repetition of what is rather empty than not")
        if least == 0 and group.captures:
            self._groups[-1].skips = True

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        stop = self._source.find("}", self._at)
        if stop < 0 or not self._source.startswith("{", self._at):
            return None
        least, comma, most = self._source[self._at + 1 : stop].partition(",")
        numbers = [number for number in (least, most) if number]
        if not least or not all(n.isascii() and n.isdigit() and len(n) < 10 for n in numbers):
            return None
        self._at = stop + 1
        return int(least), (int(most) if most else None) if comma else int(least)

    # Escapes

    def _outer_escape(self) -> str:
        for boundary in ("b", "B"):
            if self._take(boundary):
                return f"\\{boundary}"
        if self._take("k<") or self._source[self._at : self._at + 1] in set("123456789"):
            _unsupported("back-references")
        found = self._escape()
        if isinstance(found, int):
            return self._literal(found)
        self._consumes = True
        return f"[{found}]"

    def _escape(self) -> int | str:
        """Read what follows a backslash: one character, or a set as it is written between brackets."""
        character = self._next()
        if character in _SETS:
            return _SETS[character]
        if character in _CONTROLS:
            return _CONTROLS[character]
        match character:
            case "p" | "P":
                return self._property(character)
            case "x":
                return self._identity("x") if (code := self._hex(2)) is None else code
            case "u":
                return self._unicode_escape()
            case "c":
                return self._control()
            case _ if character.isascii() and character.isdigit():
                return self._nul(character)
            case _:
                return self._identity(character)

    def _identity(self, character: str) -> int:
        if self._unicode and character not in "^$\\.*+?()[]{}|/-":
            _invalid(f"\\{character} has no meaning with the flag u")
        return ord(character)

    def _nul(self, digit: str) -> int:
        following = self._source[self._at : self._at + 1]
        if digit != "0" or (following.isascii() and following.isdigit()):
            _unsupported("octal escapes", r"Write \xHH.")
        return 0

    def _control(self) -> int:
        letter = self._next()
        if not (letter.isascii() and letter.isalpha()):
            _invalid(r"\c needs a letter")
        return ord(letter) % 32

    def _property(self, letter: str) -> str:
        if not self._unicode or not self._take("{"):
            _unsupported(
                f"\\{letter} but without the flag u or without braces", rf"Write \{letter}{{L}} and the flag u."
            )
        name, equals, value = self._until("}").partition("=")
        if equals and name not in {"Script", "sc", "General_Category", "gc"}:
            _unsupported(f"the character property {name}")
        wanted = value if equals else name
        if not wanted.replace("_", "").isalnum():
            _invalid(f"{wanted!r} is no character property")
        return rf"\{letter}{{{wanted}}}"

    def _unicode_escape(self) -> int:
        if self._source.startswith("{", self._at):
            return self._code_point()
        high = self._hex(4)
        if high is None:
            return self._identity("u")
        if not 0xD800 <= high <= 0xDBFF or not self._take("\\u"):
            return high
        low = self._hex(4)
        if low is None or not 0xDC00 <= low <= 0xDFFF:
            _unsupported("half of a surrogate pair")
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)

    def _code_point(self) -> int:
        if not self._unicode:
            _unsupported(r"\u{…} but without the flag u", "Add u to `flags`.")
        self._take("{")
        digits = self._until("}")
        if not 1 <= len(digits) <= 8 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            _invalid(rf"\u{{{digits}}} is no character")
        if (code := int(digits, 16)) > _LAST_CHARACTER:
            _invalid(rf"\u{{{digits}}} is no character")
        return code

    # Brackets

    def _brackets(self) -> str:
        negated = self._take("^")
        items: list[str] = []
        while not self._take("]"):
            items.append(self._bracket_item())
        self._consumes = True
        if not items:
            return _ANY if negated else _NOTHING
        return f"[{'^' if negated else ''}{''.join(items)}]"

    def _bracket_item(self) -> str:
        first = self._bracket_atom()
        if self._source.startswith("-]", self._at) or not self._take("-"):
            return first if isinstance(first, str) else self._literal(first)
        last = self._bracket_atom()
        if isinstance(first, int) and isinstance(last, int):
            if first > last:
                _invalid("a range in brackets ends below its start")
            return _range(first, last)
        # `[\d-x]`: a set cannot begin or end a range, so JavaScript reads the hyphen as itself.
        return "".join(item if isinstance(item, str) else self._literal(item) for item in (first, ord("-"), last))

    def _bracket_atom(self) -> int | str:
        character = self._next()
        if character != "\\":
            return ord(character)
        if self._take("b"):
            return 0x08
        return self._escape()
