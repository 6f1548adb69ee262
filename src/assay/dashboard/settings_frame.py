"""What stands above every page of the settings: the way to the others, and what came of the last action."""

from dataclasses import dataclass

from starlette.datastructures import FormData

from assay.dashboard.rendering import Page
from assay.errors import AssayError


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an action: `done` says what was, `problem` why it was refused."""

    done: str | None = None
    problem: AssayError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage(Page):
    """A page of the settings; its template extends `settings_frame.html` and fills the block `settings`.

    `tab` is one of `navigation.SETTINGS_TABS`.
    """

    tab: str
    told: Told


def field(form: FormData, name: str) -> str:
    """Return a field of a form as it was sent, without blanks around it; nothing where it is missing or a file."""
    value = form.get(name)
    return value.replace("\x00", "").strip() if isinstance(value, str) else ""


def fields(form: FormData, name: str) -> list[str]:
    """Return all values of a field, as of check boxes."""
    return [value.replace("\x00", "") for value in form.getlist(name) if isinstance(value, str)]


def lines(form: FormData, name: str) -> list[str]:
    """Return the entries of a field that takes several: one a line, or with commas."""
    return [part.strip() for part in field(form, name).replace(",", "\n").splitlines() if part.strip()]
