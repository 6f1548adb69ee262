"""Who calls, where proxies stand in front: they are believed when the operator names them, and nobody else is."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from assay.bootstrap import settings_for
from assay.cli.server import http_config
from assay.errors import InvalidValueError


async def _caller(scope: Any, _receive: Any, send: Any) -> None:
    said = f"{scope['scheme']} {scope['client'][0]}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


async def _who_calls(data_dir: Path) -> str:
    """Ask a server through a proxy on this machine."""
    config = http_config(_caller, settings_for(data_dir))
    config.port, config.lifespan = 0, "off"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{host}:{port}/", headers=headers)
    server.should_exit = True
    await serving
    return answer.text


@pytest.mark.parametrize("named", ["", "10.0.0.0/8"])
async def test_what_a_stranger_says_of_itself_counts_for_nothing(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_TRUSTED_PROXIES", named)
    assert await _who_calls(tmp_path) == "http 127.0.0.1"


@pytest.mark.parametrize("named", ["127.0.0.1", "10.1.1.1, 127.0.0.0/8"])
async def test_a_proxy_that_is_named_is_believed_of_who_came_to_it(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_TRUSTED_PROXIES", named)
    assert await _who_calls(tmp_path) == "https 203.0.113.9"


@pytest.mark.parametrize("named", ["*", "proxy.example.org", "10.0.0.1/8"])
def test_proxies_are_addresses_and_networks(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TRUSTED_PROXIES", named)
    with pytest.raises(InvalidValueError, match="ASSAY_TRUSTED_PROXIES"):
        settings_for(tmp_path)
