"""What the placeholders of a template may do, and how a value that is missing shows."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from typing_extensions import override

from assay.documents.errors import FormInvalidError

# Around a text that stands for a missing value; from a plane that no text uses.
BEGIN: Final = "\U000ff001"
END: Final = "\U000ff002"

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff\U000ff001\U000ff002]")


class Placeholders(ImmutableSandboxedEnvironment):
    """Jinja without access to anything but the data: no files, no other templates, no attributes of Python.

    A value that the data lacks, or that is null there, becomes a marked text; `missing` counts them.
    """

    def __init__(self, missing_text: str, *, escape: bool) -> None:
        super().__init__(undefined=ChainableUndefined, finalize=self._shown, autoescape=escape)
        self._missing_text = f"{BEGIN}{missing_text}{END}"
        self.missing = 0

    @override
    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        # Methods that build texts of any length are of no use in a form.
        return attr not in {"ljust", "rjust", "center", "zfill", "expandtabs"} and super().is_safe_attribute(
            obj, attr, value
        )

    @override
    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"{attribute} of {type(obj).__name__} may not be used.")

    def value_of(self, expression: str, data: Mapping[str, Any]) -> Any:
        """Return what an expression comes to, of whatever type; the marked text where it is missing.

        Raises:
            FormInvalidError: It is not well written, or does what it may not.
        """
        try:
            return self._shown(self.compile_expression(expression, undefined_to_none=False)(data))
        except Exception as error:
            raise invalid(error) from error

    def text_of(self, source: str, data: Mapping[str, Any]) -> str:
        """Return a text with its placeholders filled in.

        Raises:
            FormInvalidError: As `value_of`.
        """
        try:
            return self.from_string(source).render(data)
        except Exception as error:
            raise invalid(error) from error

    def _shown(self, value: Any) -> Any:
        if value is None or isinstance(value, Undefined):
            self.missing += 1
            return self._missing_text
        return value


def invalid(error: Exception) -> Exception:
    """Say what is wrong with a template, in its author's words; what is not about it is returned as it is."""
    if isinstance(error, TemplateSyntaxError):
        return FormInvalidError(f"The template is not well written: {error.message}")
    if isinstance(error, TemplateError | TypeError | ValueError | ArithmeticError | LookupError | OverflowError):
        return FormInvalidError(f"The template cannot be filled in: {error}"[:500])
    return error


def cleaned(value: Any) -> Any:
    """Return data without the characters that office documents cannot hold."""
    if isinstance(value, str):
        return _CONTROL.sub("\ufffd", value.replace("\r\n", "\n").replace("\r", "\n"))
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [cleaned(item) for item in cast("list[Any]", value)]
    return value
