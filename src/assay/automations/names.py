"""What may be the name of a workflow, of a step, and the label of a version."""

import re
import unicodedata

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_LOOKS_LIKE_AN_ID = re.compile(r"a?wf_[0-9A-Za-z]{21}\Z")
_STEP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z")
_PART = r"(0|[1-9][0-9]{0,8})"
_LABEL = re.compile(rf"{_PART}\.{_PART}\.{_PART}\Z")

Precedence = tuple[int, int, int]


def slug_problem(name: str) -> tuple[str, str | None] | None:
    """Say what is wrong with a workflow's name, and a name that would do."""
    if _LOOKS_LIKE_AN_ID.match(name):
        return f"The name {name!r} looks like an id.", None
    if _SLUG.match(name):
        return None
    message = "A name is 1 to 64 small letters, digits, - and _, and begins with a letter or digit."
    suggestion = _slug_from(name)
    return message, f"Did you mean {suggestion!r}?" if suggestion else None


def step_name_problem(name: str) -> str | None:
    """Say what is wrong with a step's name."""
    if _STEP_NAME.match(name):
        return None
    return "A step's name is 1 to 64 letters, digits, _ and -, and does not begin with -."


def precedence(label: str) -> Precedence | None:
    """Return how a version sorts, or None when the label is no MAJOR.MINOR.PATCH."""
    match = _LABEL.match(label)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _slug_from(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:64].rstrip("-_")
