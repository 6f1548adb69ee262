"""Steps that leave the machine, through a real worker."""

from collections.abc import AsyncIterator

from tests.fakes.raw_server import Asked, raw_server, response
from tests.runs.conftest import Desk


async def test_a_host_that_is_busy_once_is_asked_again(desk: Desk) -> None:
    def answering(asked: Asked) -> AsyncIterator[bytes]:
        del asked
        if len(server.asked) == 1:
            return response(status="503 Busy", headers={"Retry-After": "0"})
        return response(b'{"rate": 1.1}', headers={"Content-Type": "application/json"})

    async with raw_server(answering) as server:
        flow = await desk.push(
            [{"name": "ask", "type": "action.http", "retry": "automatic", "with": {"url": server.url()}}],
            output={"rate": "{{ steps.ask.output.body.rate }}"},
        )
        run = await desk.run(flow)
    assert run.output == {"rate": 1.1}
    assert len(server.asked) == 2
