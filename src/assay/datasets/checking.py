"""What an example may hold; everything that is wrong with one is said at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from assay import jsontext
from assay.datasets.errors import InvalidExampleError
from assay.datasets.model import LAST, Content, Folder
from assay.errors import Issue

MAX_JSON = 10 * 1024**2
"""Characters of all the JSON of one example."""
MAX_FILE = 100 * 1024**2
"""Bytes of one file."""
MAX_FILES = 1_000
MAX_ANNOTATION = 2_000
NAME_RULE = "A name is 1 to 128 lower-case letters, digits, dashes and underscores; the first is a letter or digit."

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_ERROR_KEYS = ("code", "messageContains", "step")
# What an example read from the API holds besides; sent back, it means nothing.
_READ_ONLY = {
    *("id", "automationId", "automationType", "inputFiles", "expectedFiles", "latestRunId"),
    *("createdAt", "updatedAt", "promotedRunId", "gradedHash"),
}

EMPTY = Content("", None, {}, None, None, None, None, None)


def is_name(name: str) -> bool:
    """Tell whether an example may be called this."""
    return _NAME.fullmatch(name) is not None


def checked(before: Content, values: Mapping[str, JsonValue], *, strict: bool) -> Content:
    """Return a content with some of its values changed; what is absent stays, null clears.

    Keys are those of the API: `name`, `input`, `expected`, `metadata`, `annotation`, `rowOrder`, `overrides`;
    `expected` may be `{"$error": {…}}`. Others are refused if `strict`, else ignored.

    Raises:
        InvalidExampleError: with everything that is wrong.
    """
    content, issues = examined(before, values, strict=strict)
    if issues:
        raise InvalidExampleError(issues)
    return content


def examined(before: Content, values: Mapping[str, JsonValue], *, strict: bool) -> tuple[Content, list[Issue]]:
    """Like `checked`, and return what is wrong instead of raising it."""
    examination = _Examination(before)
    for key, value in values.items():
        _RULES.get(key, _Examination.unknown if strict else _Examination.ignored)(examination, key, value)
    examination.whole()
    return examination.content, examination.issues


@dataclass(slots=True)
class _Examination:
    content: Content
    issues: list[Issue] = field(default_factory=list[Issue])

    def name(self, key: str, value: JsonValue) -> None:
        if not isinstance(value, str) or not is_name(value):
            self._wrong(key, NAME_RULE, "invalid_name")
        else:
            self.content = replace(self.content, name=value)

    def input(self, key: str, value: JsonValue) -> None:
        if value is not None and not isinstance(value, dict):
            self._wrong(key, "`input` is an object: a value for each input of the workflow.")
        else:
            self.content = replace(self.content, input=self._storable(key, value or {}))

    def expected(self, key: str, value: JsonValue) -> None:
        if not isinstance(value, dict) or "$error" not in value:
            self.content = replace(self.content, expected=self._storable(key, value), expected_error=None)
        elif len(value) > 1:
            self._wrong(key, "An example expects an output or an error (`$error`), not both.")
        else:
            error = self._expected_error(f"{key}.$error", value["$error"])
            self.content = replace(self.content, expected=None, expected_error=error)

    def metadata(self, key: str, value: JsonValue) -> None:
        if value is not None and not isinstance(value, dict):
            self._wrong(key, "`metadata` is an object.")
        else:
            self.content = replace(self.content, metadata=self._storable(key, value))

    def annotation(self, key: str, value: JsonValue) -> None:
        if value is not None and (not isinstance(value, str) or len(value) > MAX_ANNOTATION):
            self._wrong(key, f"`annotation` is a text of at most {MAX_ANNOTATION:,} characters.")
        else:
            self.content = replace(self.content, annotation=None if value is None else jsontext.storable_text(value))

    def row_order(self, key: str, value: JsonValue) -> None:
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        if number is not None and (type(number) is not int or not 0 <= number < LAST):
            self._wrong(key, "`rowOrder` is a whole number, 0 or more.")
        else:
            self.content = replace(self.content, row_order=number)

    def overrides(self, key: str, value: JsonValue) -> None:
        if value is None:
            self.content = replace(self.content, overrides=None)
            return
        if not isinstance(value, dict):
            self._wrong(key, "`overrides` is an object: {steps: {<step>: {…}}}.")
            return
        for unknown in value.keys() - {"steps"}:
            self._wrong(f"{key}.{unknown}", "`overrides` holds only `steps`.")
        steps = value.get("steps")
        if not isinstance(steps, dict) or not all(isinstance(of_step, dict) for of_step in steps.values()):
            self._wrong(f"{key}.steps", "`overrides.steps` is an object with an object for each step.")
        self.content = replace(self.content, overrides=self._storable(key, value))

    def unknown(self, key: str, value: JsonValue) -> None:
        del value
        if key not in _READ_ONLY:
            self._wrong(key[:100], f"Nothing of an example is called {key[:100]!r}.", "unknown_key")

    def ignored(self, key: str, value: JsonValue) -> None:
        pass

    def whole(self) -> None:
        content = self.content
        if content.expected_error is not None and any(file.folder == "expected" for file in content.files):
            message = "An example that expects an error has no expected files; remove them first."
            self._wrong("expected.$error", message)
        if not self.issues and (size := _size(content)) > MAX_JSON:
            self._wrong(
                "<root>", f"The example has {size:,} characters of JSON; {MAX_JSON:,} are allowed.", "too_large"
            )

    def _expected_error(self, path: str, value: JsonValue) -> JsonValue:
        if not isinstance(value, dict):
            self._wrong(path, "`$error` is an object with `code`, `messageContains` or `step`.")
            return None
        for unknown in [key for key in value if key not in _ERROR_KEYS]:
            self._wrong(f"{path}.{unknown[:100]}", f"`$error` holds only {', '.join(_ERROR_KEYS)}.", "unknown_key")
        given = {key: value[key] for key in _ERROR_KEYS if value.get(key) is not None}
        if not given:
            self._wrong(path, "`$error` needs at least one of `code`, `messageContains` and `step`.")
        code = given.get("code", 400)
        if type(code) is not int or not 400 <= code <= 599:
            self._wrong(f"{path}.code", "`code` is a whole number from 400 to 599.")
        for key, longest in (("messageContains", 1000), ("step", 200)):
            text = given.get(key, "x")
            if not isinstance(text, str) or not 1 <= len(text) <= longest:
                self._wrong(f"{path}.{key}", f"`{key}` is a text of 1 to {longest:,} characters.")
        return self._storable(path, given)

    def _storable(self, path: str, value: JsonValue) -> JsonValue:
        """Return the value as the database will give it back, so that hashes of both are equal."""
        try:
            text = jsontext.dump(value)
        except ValueError as error:
            self._wrong(path, str(error))
            return None
        return jsontext.load(text) if jsontext.REPLACEMENT in text else value

    def _wrong(self, path: str, message: str, code: str = "invalid_value") -> None:
        self.issues.append(Issue(path, message, code))


def check_files(content: Content, folder: Folder) -> None:
    """Let files stay in an example.

    Raises:
        InvalidExampleError: they are too many, or expected ones beside an expected error.
    """
    _, issues = examined(content, {}, strict=True)
    if len(content.files) > MAX_FILES:
        issues.append(Issue("file", f"An example has at most {MAX_FILES:,} files.", "too_many_files"))
    if issues:
        raise InvalidExampleError([replace(issue, field=folder) for issue in issues])


def _size(content: Content) -> int:
    values = (content.input, content.expected, content.metadata, content.overrides)
    return sum(len(jsontext.dump(value)) for value in values if value is not None)


_RULES = {
    "name": _Examination.name,
    "input": _Examination.input,
    "expected": _Examination.expected,
    "metadata": _Examination.metadata,
    "annotation": _Examination.annotation,
    "rowOrder": _Examination.row_order,
    "overrides": _Examination.overrides,
}
