"""How issues are collected: each with its path, its place in the text, and what may have been meant."""

from collections.abc import Iterable
from itertools import islice

from assay.errors import Issue, Severity
from assay.yamltext.codes import YamlCode
from assay.yamltext.reading import Document, Path, dotted
from assay.yamltext.tokens import Position

_CHOICES = 300
_WORD_CHARACTERS = 100
_ALIKE_PERCENT = 60


class Findings:
    """The issues found so far in one document."""

    def __init__(self, document: Document, issues: Iterable[Issue] = ()) -> None:
        """Go on from issues found while parsing."""
        self.document = document
        self._issues = list(issues)

    def report(
        self,
        path: Path,
        message: str,
        code: str = YamlCode.INVALID_VALUE,
        *,
        hint: str | None = None,
        severity: Severity = "error",
        position: Position | None = None,
    ) -> None:
        """Add an issue about the value at `path`; without a position, the place of that value is given.

        Unknown, missing and repeated keys are shown where the key, or what should hold it, stands.
        """
        about_key = code in {YamlCode.UNKNOWN_KEY, YamlCode.MISSING_KEY}
        locate = self.document.key_position if about_key else self.document.value_position
        line, column = position or locate(path)
        self._issues.append(Issue(dotted(path), message, code, severity, hint, line, column))

    @property
    def issues(self) -> tuple[Issue, ...]:
        """All issues in the order of the text."""
        return tuple(sorted(self._issues, key=lambda issue: (issue.line or 0, issue.column or 0)))

    @property
    def has_errors(self) -> bool:
        """Whether any issue is more than a warning."""
        return any(issue.severity == "error" for issue in self._issues)


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    """Name the choice that looks most like a word, or None when none does; long words and lists are not gone through.

    A hostile file has thousands of words that are near to thousands of names.
    """
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - most files have no mistake

    names = [name for name in islice(choices, _CHOICES + 1) if len(name) <= _WORD_CHARACTERS]
    if len(word) > _WORD_CHARACTERS or len(names) > _CHOICES:
        return None
    closest = process.extractOne(word, names, scorer=fuzz.ratio, score_cutoff=_ALIKE_PERCENT)
    return f"Did you mean {closest[0]!r}?" if closest else None
