"""A worker may die at any moment: an answer of a model that has come is never paid for again."""

import asyncio
import contextlib
from typing import Any

import pytest
from tests.fakes.openai_server import OpenAiServer, hanging, said
from tests.runs.conftest import Desk
from tests.runs.test_redelivery import claimed, deliver, die_after

from assay import engine

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}, "lines": {"type": "array"}}}


@pytest.fixture
def server_says(model_server: OpenAiServer) -> OpenAiServer:
    model_server.forget()
    return model_server


def extract(text: str) -> dict[str, Any]:
    return {"name": "extract", "type": "ai.extract", "with": {"input": text, "schema": SCHEMA, "grounded": False}}


def then(value: str) -> dict[str, Any]:
    return {"name": "after", "type": "transform.set", "with": {"fields": {"total": value}}}


async def asked(server: OpenAiServer, times: int) -> None:
    while len(server.asked) < times:
        await asyncio.sleep(0.01)


async def test_a_finished_call_is_taken_from_its_row(idle_desk: Desk, server_says: OpenAiServer) -> None:
    desk = idle_desk
    server_says.will_answer(said({"total": 5, "lines": None}))
    flow = await desk.push(
        [extract("Total 5"), then("{{ steps.extract.output.total }}")], output="{{ steps.after.output }}"
    )
    run_id = await desk.start(flow)
    await die_after(desk, run_id, "extract")
    run = await deliver(desk, run_id)
    assert (run.failure, run.output) == (None, {"total": 5})
    assert len(server_says.asked) == 1
    assert isinstance(run.usage, dict)
    assert run.usage["llmCallCount"] == 1


async def test_within_a_step_only_what_was_not_answered_is_asked_again(
    idle_desk: Desk, server_says: OpenAiServer
) -> None:
    desk = idle_desk
    pages = "\n".join(f"part {number} " + "word " * 500 for number in range(2))
    server_says.will_answer(said({"total": None, "lines": ["one"]}), hanging())
    flow = await desk.push([extract(pages)], output="{{ steps.extract.output }}")
    run_id = await desk.start(flow)
    claim = await claimed(desk, run_id)
    first = asyncio.ensure_future(desk.executor(claim, engine.Journal(desk.database, claim)))
    await asked(server_says, 2)
    await answers_kept(desk, run_id)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    server_says.will_answer(said({"total": 7, "lines": ["two"]}))
    run = await deliver(desk, run_id)
    assert run.failure is None
    assert isinstance(run.output, dict)
    assert run.output["total"] == 7
    assert run.output["lines"] in (["one", "two"], ["two", "one"])
    assert len(server_says.asked) == 3
    assert isinstance(run.usage, dict)
    assert run.usage["llmCallCount"] == 2


async def answers_kept(desk: Desk, run_id: str) -> None:
    """Wait until the first answer is committed."""
    kept = 0
    while not kept:
        async with desk.database.single_statement() as tx:
            kept = await tx.fetch_value("SELECT count(*) FROM model_answers WHERE run_id = $1", run_id)


async def test_answers_go_with_their_run(idle_desk: Desk, server_says: OpenAiServer) -> None:
    desk = idle_desk
    server_says.will_answer(said({"total": 5, "lines": None}))
    run_id = await desk.start(await desk.push([extract("Total 5")]))
    await deliver(desk, run_id)
    async with desk.database.transaction() as tx:
        assert await tx.execute("DELETE FROM runs WHERE id = $1", run_id) == 1
        assert await tx.fetch_value("SELECT count(*) FROM model_answers WHERE run_id = $1", run_id) == 0
