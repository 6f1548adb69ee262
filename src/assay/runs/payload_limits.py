"""How much a step may be given and hand on, and how much of that its row shows.

One large value that a workflow names a thousand times is held once and written a thousand times: so nothing is written
before it is known to have an end.
"""

import json
from typing import Any, cast

from pydantic import JsonValue

from assay import jsontext, steps

MAX_TRACED_INPUT = 256 * 1024
MAX_OUTPUT = 32 * 1024**2
MAX_CONFIG = 64 * 1024**2
MAX_HELD = 128 * 1024**2
"""Characters of all outputs that steps of one run can still see."""
SHOWN_BEGINNING = 2000


def output_text(output: JsonValue) -> str:
    """Write what a step or a run hands on.

    Raises:
        StepError: `output_too_large` beyond 32 MiB.
        ValueError: it is not JSON.
    """
    if _surely_longer(output, MAX_OUTPUT):
        message = f"The output has more than {MAX_OUTPUT} characters as JSON."
        raise steps.StepError("output_too_large", message, category="validation")
    text = jsontext.dump(output)
    if len(text) > MAX_OUTPUT:
        message = f"The output has {len(text)} characters as JSON; {MAX_OUTPUT} are allowed."
        raise steps.StepError("output_too_large", message, category="validation")
    return text


def check_config(config: JsonValue) -> None:
    """Refuse to give a step more than 64 MiB.

    Raises:
        StepError: `input_too_large`.
    """
    if _surely_longer(config, MAX_CONFIG):
        message = f"What the step is given has more than {MAX_CONFIG} characters as JSON."
        hint = "Name the parts of an output that the step needs instead of the whole."
        raise steps.StepError("input_too_large", message, category="validation", hint=hint)


def check_held(characters: int) -> None:
    """Refuse to keep more than 128 MiB of outputs for later steps.

    Raises:
        StepError: `output_too_large`.
    """
    if characters > MAX_HELD:
        message = f"The outputs of the steps so far have more than {MAX_HELD} characters together."
        hint = "Steps inside of loops and parallel branches free what they made, but for the last one."
        raise steps.StepError("output_too_large", message, category="validation", hint=hint)


def traced(value: JsonValue) -> str | None:
    """Write what a step was given; of what is very large only the beginning, for it stands in an earlier output."""
    if value is None:
        return None
    if not _surely_longer(value, MAX_TRACED_INPUT):
        text = jsontext.dump(value)
        if len(text) <= MAX_TRACED_INPUT:
            return text
    return jsontext.dump({"$shortened": True, "start": _beginning(value)})


def _surely_longer(value: JsonValue, limit: int) -> bool:
    """Whether the JSON text has more characters than that; looks at no more of the value than it must."""
    left, waiting = limit + len("[]"), list[JsonValue]([[value]])
    while waiting and left >= 0:
        node = waiting.pop()
        if isinstance(node, dict):
            left -= 4 * len(node) + sum(map(len, node))
            inner = node.values()
        else:
            inner = cast("list[JsonValue]", node)
        left -= 1 + len(inner)
        for child in inner:
            # A million values are looked at: one comparison each, not a call.
            kind = type(child)
            if kind is str:
                left -= len(cast("str", child))
            elif kind is dict or kind is list:
                waiting.append(child)
    return left < 0


def _beginning(value: Any) -> str:
    written, length = list[str](), 0
    for piece in json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).iterencode(value):
        written.append(piece[:SHOWN_BEGINNING])
        length += len(written[-1])
        if length >= SHOWN_BEGINNING:
            break
    return "".join(written)[:SHOWN_BEGINNING]
