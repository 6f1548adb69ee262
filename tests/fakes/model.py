"""The scripted model server as the model that a step asks, without an organization around it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.fakes.openai_server import OpenAiServer, openai_server
from typing_extensions import override

from assay import providers


@dataclass
class ServerModel(providers.Model):
    """Asks the server; `tokens` is what fits, `price` the dollars for each answer."""

    connection: providers.Connection
    tokens: int = 128_000
    price: float | None = 0.01
    own_name: str = "tiny"

    @property
    @override
    def provider(self) -> str:
        return "local"

    @property
    @override
    def name(self) -> str:
        return self.own_name

    @property
    @override
    def context_tokens(self) -> int:
        return self.tokens

    @override
    async def ask(self, question: providers.Question) -> providers.Answer:
        answer = await self.connection.ask(self.name, question)
        return providers.Answer(
            answer.text, answer.stop, answer.tokens, answer.tool_calls, answer.refusal, cost_usd=self.price
        )


@asynccontextmanager
async def server_model() -> AsyncGenerator[tuple[OpenAiServer, ServerModel]]:
    """Run a server and a model that asks it."""
    with openai_server() as script:
        connection = providers.kinds()["openai"].model_validate({"baseUrl": script.base_url}).connect(None)
        try:
            yield script, ServerModel(connection)
        finally:
            await connection.close()
