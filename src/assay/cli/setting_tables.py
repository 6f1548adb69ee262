"""How the settings of a step or evaluator type are printed."""

from collections.abc import Sequence

from assay.cli import output
from assay.described import Part, Setting

_COLUMNS = ("field", "type", "default", "description")


def print_settings(heading: str, settings: Sequence[Setting], parts: Sequence[Part]) -> None:
    """Print the settings under a heading, then those of each part under its name."""
    output.print_heading(f"\n{heading}")
    _print_table(settings)
    for part in parts:
        output.print_heading(f"\n{part.name}: {part.summary}")
        _print_table(part.settings)


def _print_table(settings: Sequence[Setting]) -> None:
    output.print_wrapped(_COLUMNS, [(one.name, one.type, one.default, one.description) for one in settings])
