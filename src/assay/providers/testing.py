"""What it means that a provider works: it answers a small question in the form it was asked for."""

import asyncio
import json
import time
from dataclasses import dataclass

from assay.errors import AssayError
from assay.providers.connecting import Models
from assay.providers.errors import ProviderError
from assay.providers.model import Answer, Message, Question

MAX_SECONDS = 40.0
"""Whoever waits for a trial gives up after a minute."""

_QUESTION = Question(
    messages=(Message("user", 'Answer with the JSON object {"ready": true} and nothing else.'),),
    schema={
        "type": "object",
        "properties": {"ready": {"type": "boolean"}},
        "required": ["ready"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went. `error` is None if the provider works; `milliseconds` is the time it took to find out."""

    model: str
    milliseconds: float
    error: AssayError | None = None


async def try_out(models: Models, organization_id: str, name: str) -> Trial:
    """Ask a provider's first model, or `<provider>/<model>`, one small question; it costs a few tokens."""
    started = time.perf_counter()
    model_name, error = name, None
    try:
        async with asyncio.timeout(MAX_SECONDS):
            model = await models.model(organization_id, requested=name)
            model_name = model.name
            error = _problem(await model.ask(_QUESTION))
    except TimeoutError:
        message = f"There was no answer within {MAX_SECONDS:g} seconds."
        error = ProviderError("provider_timeout", message, category="timeout")
    except AssayError as failure:
        error = failure
    return Trial(model_name, round((time.perf_counter() - started) * 1000, 1), error)


def _problem(answer: Answer) -> AssayError | None:
    try:
        if json.loads(answer.text) == {"ready": True}:
            return None
    except ValueError:
        pass
    message = f"The model answers, but not in the form it was asked for: {answer.text[:200]!r}."
    hint = "Model steps need JSON; see the option structuredOutput."
    problem = AssayError(message, hint=hint)
    problem.code = "invalid_provider_output"
    return problem
