"""The built-in kind against a server that behaves, and against all the ways in which servers do not."""

import asyncio
from typing import Any

import pytest
from tests.fakes.openai_server import (
    OpenAiServer,
    Reply,
    called,
    dropped,
    failing,
    hanging,
    refused,
    said,
    truncated,
)
from tests.providers.conftest import SECRET

from assay import access, db, providers

HELLO = providers.Question((providers.Message("user", "Hello"),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


class Desk:
    """Adds a provider that is the scripted server, and asks it."""

    def __init__(self, database: db.Database, caller: access.Caller, models: providers.Models, base_url: str) -> None:
        self.database, self.caller, self.models, self.base_url = database, caller, models, base_url

    async def model(self, *, prices: Any = None, key: str | None = None, **options: Any) -> providers.Model:
        new = providers.NewProvider(
            name="local",
            models=[providers.OfferedModel(name="gpt-4o-mini")],
            options={"baseUrl": self.base_url, **options},
            prices=prices or {},
            key=key,
        )
        async with self.database.transaction() as tx:
            await providers.add(tx, self.caller, new, secret=SECRET)
        return await self.models.model(self.caller.organization_id)


@pytest.fixture
def desk(database: db.Database, caller: access.Caller, models: providers.Models, server_says: OpenAiServer) -> Desk:
    return Desk(database, caller, models, server_says.base_url)


async def test_a_question_is_sent_at_temperature_0_with_the_key(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(said("Hi"))
    answer = await (await desk.model(key="sk-stored")).ask(HELLO)
    assert (answer.text, answer.stop, answer.tokens) == ("Hi", "end", providers.Tokens(100, 10))
    (body,) = server_says.asked
    assert (body["model"], body["temperature"]) == ("gpt-4o-mini", 0)
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert server_says.headers[0]["authorization"] == "Bearer sk-stored"


async def test_a_schema_is_sent_strictly_unless_the_server_knows_none(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(said({"a": 1}))
    await (await desk.model()).ask(providers.Question(HELLO.messages, SCHEMA))
    assert server_says.asked[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


@pytest.mark.parametrize(("option", "sent"), [("json_object", {"type": "json_object"}), ("none", None)])
async def test_a_server_without_schemas_is_told_otherwise(
    desk: Desk, server_says: OpenAiServer, option: str, sent: Any
) -> None:
    server_says.will_answer(said({"a": 1}))
    model = await desk.model(structuredOutput=option, sendTemperature=False)
    await model.ask(providers.Question(HELLO.messages, SCHEMA))
    assert server_says.asked[0].get("response_format") == sent
    assert "temperature" not in server_says.asked[0]


async def test_pictures_and_turns_with_tools_reach_the_server(desk: Desk, server_says: OpenAiServer) -> None:
    tool = providers.Tool("look_up", "Looks something up.", SCHEMA)
    server_says.will_answer(called("look_up", '{"a": 1}'), said("done"))
    model = await desk.model()
    shown = providers.Message("user", "What is this?", [providers.Picture(b"jpeg")])
    first = await model.ask(providers.Question((shown,), tools=(tool,)))
    assert (first.stop, first.tool_calls) == ("tools", (providers.ToolCall("call_1", "look_up", '{"a": 1}'),))
    turn = providers.Message("assistant", tool_calls=first.tool_calls)
    result = providers.Message("tool", "42", tool_call_id="call_1")
    assert (await model.ask(providers.Question((shown, turn, result), tools=(tool,)))).text == "done"
    user, assistant, answered = server_says.asked[1]["messages"]
    assert user["content"][1]["image_url"]["url"] == "data:image/jpeg;base64,anBlZw=="
    assert assistant["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"a": 1}'}
    assert answered == {"role": "tool", "content": "42", "tool_call_id": "call_1"}
    assert server_says.asked[0]["tools"][0]["function"]["name"] == "look_up"


async def test_a_refusal_and_an_unfinished_answer_say_so(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(refused("No."), truncated())
    model = await desk.model()
    answer = await model.ask(HELLO)
    assert (answer.stop, answer.refusal) == ("refusal", "No.")
    assert (await model.ask(HELLO)).stop == "length"


@pytest.mark.parametrize("passing", [failing(429, retry_after="0"), failing(500), failing(503), dropped()])
async def test_what_passes_is_asked_again(desk: Desk, server_says: OpenAiServer, passing: Reply) -> None:
    server_says.will_answer(passing, passing, said("Hi"))
    assert (await (await desk.model()).ask(HELLO)).text == "Hi"
    assert len(server_says.asked) == 3


@pytest.mark.parametrize(
    ("reply", "code", "category"),
    [
        (failing(429), "provider_rate_limited", "rate_limited"),
        (failing(500), "provider_unavailable", "temporarily_unavailable"),
        (dropped(), "provider_unavailable", "temporarily_unavailable"),
    ],
)
async def test_patience_ends(desk: Desk, server_says: OpenAiServer, reply: Reply, code: str, category: str) -> None:
    server_says.will_answer(*[reply] * 3)
    with pytest.raises(providers.ProviderError) as failed:
        await (await desk.model()).ask(HELLO)
    assert (failed.value.code, failed.value.category, failed.value.provider) == (code, category, "local")
    assert len(server_says.asked) == 3


@pytest.mark.parametrize(
    ("reply", "code", "category"),
    [
        (failing(400, "bad"), "provider_rejected", "validation"),
        (failing(401), "provider_authentication_failed", "authentication"),
        (failing(403), "provider_forbidden", "authorization"),
        (failing(404), "provider_model_not_found", "not_found"),
        (failing(429, code="insufficient_quota"), "provider_quota_exhausted", "authorization"),
        (failing(429, retry_after="3600"), "provider_rate_limited", "rate_limited"),
        (failing(302, location="http://127.0.0.1:9/"), "provider_rejected", "validation"),
        (Reply(body=b"<html>not the API</html>"), "invalid_provider_output", "invalid_provider_output"),
        (Reply(body={"choices": []}), "invalid_provider_output", "invalid_provider_output"),
        (Reply(body=b"x" * (17 * 1024**2)), "invalid_provider_output", "invalid_provider_output"),
    ],
)
async def test_what_does_not_pass_is_asked_once(
    desk: Desk, server_says: OpenAiServer, reply: Reply, code: str, category: str
) -> None:
    server_says.will_answer(reply)
    with pytest.raises(providers.ProviderError) as failed:
        await (await desk.model()).ask(HELLO)
    assert (failed.value.code, failed.value.category) == (code, category)
    assert len(server_says.asked) == 1


async def test_a_long_retry_after_is_handed_on(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(failing(429, retry_after="3600"))
    with pytest.raises(providers.ProviderError) as failed:
        await (await desk.model()).ask(HELLO)
    assert (failed.value.retry_after, failed.value.http_status) == (3600.0, 429)


async def test_a_server_that_says_nothing_is_given_up_and_not_paid_again(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(hanging())
    with pytest.raises(providers.ProviderError) as failed:
        await (await desk.model(timeoutSeconds=0.2)).ask(HELLO)
    assert (failed.value.code, failed.value.category) == ("provider_timeout", "timeout")
    assert len(server_says.asked) == 1


async def test_a_server_that_is_not_there_cannot_be_reached(desk: Desk) -> None:
    desk.base_url = "http://127.0.0.1:9/v1"
    with pytest.raises(providers.ProviderError) as failed:
        await (await desk.model()).ask(HELLO)
    assert failed.value.code == "provider_unavailable"


async def test_no_more_requests_are_under_way_than_allowed(desk: Desk, server_says: OpenAiServer) -> None:
    model = await desk.model(maxConcurrency=2)
    await asyncio.gather(*[model.ask(HELLO) for _ in range(12)])
    assert len(server_says.asked) == 12
    assert server_says.most_under_way <= 2


async def test_an_own_price_is_counted_and_an_unknown_one_is_not_made_up(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(said("Hi", prompt_tokens=1_000_000, completion_tokens=500_000))
    model = await desk.model(prices={"gpt-4o-mini": providers.Price(input=2, output=4)})
    assert (await model.ask(HELLO)).cost_usd == 4.0


async def test_a_model_on_an_own_server_has_no_published_price(desk: Desk, server_says: OpenAiServer) -> None:
    server_says.will_answer(said("Hi"))
    assert (await (await desk.model()).ask(HELLO)).cost_usd is None


async def test_a_trial_says_whether_the_provider_works(desk: Desk, server_says: OpenAiServer) -> None:
    await desk.model()
    server_says.will_answer(said({"ready": True}), said("Sure!"), failing(401))
    trials = [await providers.try_out(desk.models, desk.caller.organization_id, "local") for _ in range(3)]
    assert [trial.error and trial.error.code for trial in trials] == [
        None,
        "invalid_provider_output",
        "provider_authentication_failed",
    ]
    assert trials[0].model == "gpt-4o-mini"
