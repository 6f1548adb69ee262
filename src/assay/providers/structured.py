"""How a model is asked for a JSON object of a certain form, and what it takes for an answer: mended at most once."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import JsonValue

from assay.providers.errors import ProviderError
from assay.providers.model import Answer, Message, Model, Question

MAX_REPEATED_CHARACTERS = 100_000


class Form(Protocol):
    """The form of an answer."""

    @property
    def sent(self) -> Mapping[str, Any]:
        """The JSON Schema that the model is given."""
        ...

    @property
    def strict(self) -> bool:
        """Whether vendors can enforce it."""
        ...

    def errors(self, answer: JsonValue) -> Sequence[str]:
        """Return what is wrong with an answer, none if it fits."""
        ...


async def structured_answer(
    model: Model, messages: Sequence[Message], form: Form, *, used: Callable[[Answer], None]
) -> dict[str, JsonValue]:
    """Ask, and return the JSON object of the answer. `used` is told of each answer, acceptable or not.

    An answer that does not fit goes back to the model once, with what is wrong with it.

    Raises:
        ProviderError: there is no answer, the model refuses (`provider_refused`), or its second answer does not fit
            either (`invalid_provider_output`).
    """
    text = await _asked(model, messages, form, used)
    value, errors = await asyncio.to_thread(_read, text, form)
    if value is not None:
        return value
    complaint = "Your answer is not acceptable:\n" + "\n".join(f"- {error}" for error in errors)
    again = [
        *messages,
        Message("assistant", text[:MAX_REPEATED_CHARACTERS]),
        Message("user", f"{complaint}\n\nAnswer again, with the corrected JSON object alone."),
    ]
    value, errors = await asyncio.to_thread(_read, await _asked(model, again, form, used), form)
    if value is not None:
        return value
    raise _unusable(
        f"The answer of {model.name} does not fit, also when asked again: {'; '.join(errors)[:1000]}",
    )


def usage_of(answer: Answer) -> dict[str, float]:
    """Say what an answer used, in the names that usage is kept under."""
    tokens = answer.tokens
    used: dict[str, float] = {"llmCallCount": 1, "inputTokens": tokens.input, "outputTokens": tokens.output}
    if tokens.cache_read:
        used["cacheReadTokens"] = tokens.cache_read
    if answer.cost_usd is None:
        return {**used, "unpricedCallCount": 1}
    return {**used, "costUsd": answer.cost_usd}


async def _asked(model: Model, messages: Sequence[Message], form: Form, used: Callable[[Answer], None]) -> str:
    answer = await model.ask(Question(tuple(messages), form.sent, form.strict))
    used(answer)
    if answer.stop == "refusal":
        message = f"{model.name} refuses to answer: {(answer.refusal or 'no reason given')[:300]}"
        raise ProviderError("provider_refused", message, category="invalid_provider_output")
    if answer.stop == "length":
        hint = "Ask for fewer fields, or read the document in smaller parts."
        raise _unusable(f"The answer of {model.name} was cut off: it is longer than the model writes.", hint)
    return answer.text


def _unusable(message: str, hint: str | None = None) -> ProviderError:
    return ProviderError("invalid_provider_output", message, category="invalid_provider_output", hint=hint)


def _read(text: str, form: Form) -> tuple[dict[str, JsonValue] | None, Sequence[str]]:
    try:
        value: JsonValue = json.loads(_unfenced(text), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return None, [f"It is no JSON: {str(error)[:200]}"]
    if not isinstance(value, dict):
        return None, ["It must be one JSON object."]
    errors = form.errors(value)
    return (None, errors) if errors else (value, ())


def _unfenced(text: str) -> str:
    """Take off the fence that models put around JSON where nothing enforces its form."""
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        return stripped[3:-3].removeprefix("json")
    return stripped


def _refuse_constant(name: str) -> None:
    message = f"{name} is no JSON"
    raise ValueError(message)
