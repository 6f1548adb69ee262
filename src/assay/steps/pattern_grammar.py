r"""What is a JavaScript pattern: its grammar, with what browsers allow without the flag `u` (ECMAScript 2025, Annex B).

Patterns that RE2 cannot match run in the sandbox, where it would show only in a run that one is no pattern at all.
"""

from dataclasses import dataclass, field
from typing import Final, NoReturn

from assay.steps.character_properties import BINARY_PROPERTIES, GENERAL_CATEGORIES, SCRIPTS

_FLAGS: Final = frozenset("dgimsuy")
_SYNTAX_CHARACTERS: Final = frozenset("^$\\.*+?()[]{}|/")
_SETS: Final = frozenset("dDsSwW")
_CONTROLS: Final = {"f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_DIGITS: Final = frozenset("0123456789")
_OCTAL: Final = frozenset("01234567")
_LAST_CHARACTER: Final = 0x10FFFF
_MOST_REPETITIONS: Final = 2**31 - 1
_MOST_GROUPS: Final = 254
"""What the sandbox's JavaScript has room for."""


class NoPatternError(ValueError):
    """The text is no JavaScript pattern; the message says why, as the end of a sentence."""


def capture_groups(source: str, flags: str = "") -> int:
    """Return how many capture groups a pattern has.

    Raises:
        NoPatternError: the source, or the flags, are not JavaScript's.
    """
    if not _FLAGS.issuperset(flags) or len(set(flags)) < len(flags):
        message = f"the flags {flags!r} are not letters of dgimsuy, each once"
        raise NoPatternError(message)
    return _Reading(source, is_unicode="u" in flags).groups()


@dataclass(slots=True)
class _Group:
    """An open group; the pattern itself is the outermost one."""

    repeatable: bool = True
    names: set[str] = field(default_factory=set[str])
    """Those in the alternative that is being read."""
    earlier_names: set[str] = field(default_factory=set[str])
    """Those in the alternatives before it: the same name may stand once in each."""


class _Reading:
    """One pass from left to right; nesting is kept on a list, since its depth is the author's choice."""

    def __init__(self, source: str, *, is_unicode: bool) -> None:
        self._source = source if is_unicode else _in_halves(source)
        self._unicode = is_unicode
        self._at = 0
        self._open = [_Group()]
        self._count = 0
        self._names: set[str] = set()
        self._active: set[str] = set()
        self._named_references: set[str] = set()
        self._highest_reference = 0
        # Whether \k is a reference depends on names that may come later.
        self._has_names = is_unicode or _names_groups(source)

    def groups(self) -> int:
        while self._at < len(self._source):
            self._term()
        if len(self._open) > 1:
            _fail("a ( is never closed")
        if self._count > _MOST_GROUPS:
            _fail(f"it has more than {_MOST_GROUPS} capture groups")
        if self._unicode and self._highest_reference > self._count:
            _fail(f"there is no group {self._highest_reference} to refer back to")
        if unknown := self._named_references - self._names:
            _fail(f"there is no group named {min(unknown)!r}")
        return self._count

    # Reading

    def _peek(self, length: int = 1) -> str:
        return self._source[self._at : self._at + length]

    def _take(self, expected: str) -> bool:
        if not self._source.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def _next(self, missing: str) -> str:
        if self._at == len(self._source):
            _fail(missing)
        self._at += 1
        return self._source[self._at - 1]

    def _run(self, letters: frozenset[str], most: int | None = None) -> str:
        """Take as many of these letters as there are."""
        start, limit = self._at, len(self._source) if most is None else min(len(self._source), self._at + most)
        while self._at < limit and self._source[self._at] in letters:
            self._at += 1
        return self._source[start : self._at]

    # Terms

    def _term(self) -> None:
        match self._next(""):
            case "|":
                self._alternative()
            case "(":
                self._enter()
            case ")":
                self._leave()
            case "^" | "$":
                self._quantifier(repeatable=False)
            case "\\" if self._take("b") or self._take("B"):
                self._quantifier(repeatable=False)
            case character:
                self._atom(character)
                self._quantifier()

    def _atom(self, character: str) -> None:
        if character == "\\":
            self._atom_escape()
        elif character == "[":
            self._class()
        elif character in {"*", "+", "?"} or (character == "{" and (self._unicode or self._is_braced())):
            _fail("there is nothing to repeat")
        elif self._unicode and character in {"]", "}"}:
            _fail(f"a {character} stands alone")

    def _is_braced(self) -> bool:
        """Whether a brace that was just taken begins a quantifier; nothing more is taken."""
        start = self._at
        found = self._braces() is not None
        self._at = start
        return found

    def _braces(self) -> tuple[int, int] | None:
        least = self._run(_DIGITS)
        if not least:
            return None
        most = least
        if self._take(","):
            most = self._run(_DIGITS) or str(_MOST_REPETITIONS)
        return (_number(least), _number(most)) if self._take("}") else None

    def _quantifier(self, *, repeatable: bool = True) -> None:
        start = self._at
        if self._take("{"):
            bounds = self._braces()
            if bounds is None:
                if self._unicode:
                    _fail("a { begins no repetition")
                self._at = start
                return
            if bounds[0] > bounds[1]:
                _fail("a repetition ends below its start")
        elif not (self._take("*") or self._take("+") or self._take("?")):
            return
        if not repeatable:
            _fail("there is nothing to repeat")
        self._take("?")

    # Groups

    def _alternative(self) -> None:
        group = self._open[-1]
        self._active -= group.names
        group.earlier_names |= group.names
        group.names = set()

    def _enter(self) -> None:
        if not self._take("?"):
            self._count += 1
            self._open.append(_Group())
        elif self._take(":"):
            self._open.append(_Group())
        elif self._take("=") or self._take("!"):
            self._open.append(_Group(repeatable=not self._unicode))
        elif self._take("<=") or self._take("<!"):
            self._open.append(_Group(repeatable=False))
        elif self._take("<"):
            self._count += 1
            self._declare(self._name())
            self._open.append(_Group())
        elif self._take("P<"):
            _fail("(?P<name>…) is Python's; write (?<name>…)")
        else:
            self._modifiers()
            self._open.append(_Group())

    def _declare(self, name: str) -> None:
        if name in self._active:
            _fail(f"two groups are named {name!r}")
        self._names.add(name)
        self._active.add(name)
        self._open[-1].names.add(name)

    def _modifiers(self) -> None:
        letters = self._run(frozenset("ims"))
        minus = self._take("-")
        removed = self._run(frozenset("ims")) if minus else ""
        if not self._take(":"):
            _fail("a ( is followed by an unknown ?")
        both = letters + removed
        if len(set(both)) < len(both) or (minus and not both):
            _fail("flags of a group are named twice, or not at all")

    def _leave(self) -> None:
        if len(self._open) == 1:
            _fail("a ) was never opened")
        group = self._open.pop()
        self._active |= group.earlier_names
        self._open[-1].names |= group.names | group.earlier_names
        self._quantifier(repeatable=group.repeatable)

    def _name(self) -> str:
        name = ""
        while not self._take(">"):
            character = self._name_character()
            name += character
            if not ("_" + character if len(name) > len(character) else character).replace("$", "_").isidentifier():
                _fail(f"{name!r} is no group name")
        if not name:
            _fail("a group name is empty")
        return name

    def _name_character(self) -> str:
        character = self._next("a group name never ends")
        if character == "\\":
            if not self._take("u") or (code := self._code_point(braces=True)) is None:
                _fail("a group name has an escape that is none")
            return chr(code)
        if "\ud800" <= character <= "\udbff" and "\udc00" <= self._peek() <= "\udfff":
            character += self._next("")
            return character.encode("utf-16", "surrogatepass").decode("utf-16")
        return character

    # Escapes

    def _atom_escape(self) -> None:
        if self._has_names and self._take("k"):
            if not self._take("<"):
                _fail(r"\k is not followed by <name>")
            self._named_references.add(self._name())
        elif self._peek() and self._peek() in "123456789":
            digits = self._run(_DIGITS)
            self._highest_reference = max(self._highest_reference, _number(digits))
        else:
            self._escape(in_class=False)

    def _escape(self, *, in_class: bool) -> int | None:
        """Read what follows a backslash: one character, or None for a set of them."""
        character = self._next("it ends in a backslash")
        if character in _SETS:
            return None
        if character in _CONTROLS:
            return _CONTROLS[character]
        match character:
            case "p" | "P" if self._unicode:
                self._property()
                return None
            case "c":
                return self._control(in_class)
            case "x":
                return self._identity("x") if (code := self._hexadecimal(2)) is None else code
            case "u":
                code = self._code_point(braces=self._unicode)
                return self._identity("u") if code is None else code
            case _ if character in _DIGITS:
                return self._number_escape(character)
            case "-" if in_class:
                return ord("-")
            case _:
                return self._identity(character)

    def _identity(self, character: str) -> int:
        if self._unicode and character not in _SYNTAX_CHARACTERS:
            _fail(f"\\{character} has no meaning with the flag u")
        return ord(character)

    def _control(self, in_class: bool) -> int:
        letter = self._peek()
        if letter and letter.isascii() and (letter.isalpha() or (in_class and not self._unicode and _is_word(letter))):
            self._at += 1
            return ord(letter) % 32
        if self._unicode:
            _fail(r"\c needs a letter")
        self._at -= 1  # the backslash stands for itself, and the c is read next
        return ord("\\")

    def _number_escape(self, digit: str) -> int:
        if self._unicode:
            if digit != "0" or (self._peek() and self._peek() in _DIGITS):
                _fail(f"\\{digit} is no character with the flag u")
            return 0
        if digit not in _OCTAL:
            return ord(digit)
        return int(digit + self._run(_OCTAL, 2 if digit < "4" else 1), 8)

    def _hexadecimal(self, digits: int) -> int | None:
        found = self._peek(digits)
        if len(found) < digits or not _HEX.issuperset(found):
            return None
        self._at += digits
        return int(found, 16)

    def _code_point(self, *, braces: bool) -> int | None:
        r"""Read what follows `\u`."""
        if braces and self._take("{"):
            code = self._run(_HEX)
            if not code or not self._take("}") or int(code, 16) > _LAST_CHARACTER:
                _fail(r"\u{…} names no character")
            return int(code, 16)
        high = self._hexadecimal(4)
        if high is None or not braces or not 0xD800 <= high <= 0xDBFF:
            return high
        start = self._at
        low = self._hexadecimal(4) if self._take("\\u") else None
        if low is None or not 0xDC00 <= low <= 0xDFFF:
            self._at = start
            return high
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)

    def _property(self) -> None:
        end = self._source.find("}", self._at)
        if not self._take("{") or end < 0:
            _fail(r"\p is not followed by {name}")
        name, self._at = self._source[self._at : end], end + 1
        key, equals, value = name.partition("=")
        if key in {"General_Category", "gc"} and equals:
            known = value in GENERAL_CATEGORIES
        elif equals:
            known = key in {"Script", "sc", "Script_Extensions", "scx"} and value in SCRIPTS
        else:
            known = name in GENERAL_CATEGORIES or name in BINARY_PROPERTIES
        if not known:
            _fail(f"{name!r} is no character property")

    # Brackets

    def _class(self) -> None:
        self._take("^")
        while not self._take("]"):
            first = self._class_atom()
            if self._peek(2) == "-]" or not self._take("-"):
                continue
            last = self._class_atom()
            if first is None or last is None:
                if self._unicode:
                    _fail("a set of characters begins or ends a range")
            elif first > last:
                _fail("a range in brackets ends below its start")

    def _class_atom(self) -> int | None:
        character = self._next("a [ is never closed")
        if character != "\\":
            return ord(character)
        if self._take("b"):
            return 0x08
        return self._escape(in_class=True)


def _fail(reason: str) -> NoReturn:
    raise NoPatternError(reason)


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    return min(int(significant or "0"), _MOST_REPETITIONS) if len(significant) <= 10 else _MOST_REPETITIONS


def _is_word(letter: str) -> bool:
    return letter.isdigit() or letter == "_"


def _in_halves(source: str) -> str:
    """Write characters beyond the basic plane as two, as JavaScript counts them without the flag `u`."""
    if max(source, default="") <= "\uffff":
        return source
    halves = source.encode("utf-16-le", "surrogatepass")
    return "".join(chr(halves[at] | halves[at + 1] << 8) for at in range(0, len(halves), 2))


def _names_groups(source: str) -> bool:
    in_brackets = False
    at = 0
    while at < len(source):
        if source[at] == "\\":
            at += 1
        elif source[at] == "[":
            in_brackets = True
        elif source[at] == "]":
            in_brackets = False
        elif not in_brackets and source.startswith("(?<", at) and source[at + 3 : at + 4] not in {"=", "!"}:
            return True
        at += 1
    return False
