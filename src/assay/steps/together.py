"""How inner steps that run at the same time end together: none is left behind, and a failure outranks a pause."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

from assay.steps.base import SuspendedError

Result = TypeVar("Result")


async def all_of(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """Await all at once and return their results in order.

    All of them come to an end before anything is raised, so that what they did is recorded: the first
    failure if there is one, else a suspension until the earliest moment any of them waits for.

    Raises:
        SuspendedError: one of them waits for a later moment.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    problems = [result for result in results if isinstance(result, BaseException)]
    for problem in problems:
        if not isinstance(problem, SuspendedError):
            raise problem
    moments = [problem.until for problem in problems if isinstance(problem, SuspendedError)]
    if moments:
        raise SuspendedError(min(moments))
    return [result for result in results if not isinstance(result, BaseException)]
