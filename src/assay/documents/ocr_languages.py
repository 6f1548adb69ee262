"""Which languages the OCR engine can read: its one model knows Latin letters, Chinese and Japanese."""

from collections.abc import Iterable
from typing import Final

# Vietnamese is missing on purpose: the model lacks its letters with two accents.
# fmt: off
_READ: Final = frozenset({
    "af", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fr", "ga", "gl", "hr", "hu",
    "id", "is", "it", "ja", "ku", "la", "lb", "lt", "lv", "mi", "ms", "mt", "nb", "nl", "nn", "no", "oc", "pl", "pt",
    "qu", "rm", "ro", "sk", "sl", "sq", "sv", "sw", "tl", "tr", "uz", "zh",
})
# fmt: on


def languages_without_ocr(languages: Iterable[str]) -> list[str]:
    """Return those of the language codes (`de`, `pt-BR`) that OCR cannot read, as far as is known."""
    return [code for code in languages if code.partition("-")[0].lower() not in _READ]
