"""The command line in this process, and a server whose answers a test writes down beforehand."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pytest
from tests.fakes.scripted_server import Script, scripted_server

from assay.cli.commands import run
from assay.cli.preferences import preferences


@dataclass(frozen=True)
class Finished:
    """What a command left."""

    code: int
    out: str
    err: str


class Assay(Protocol):
    """Runs a command as a shell would, with pipes for its output."""

    def __call__(self, *arguments: str) -> Finished: ...


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Generator[Script]:
    with scripted_server() as script:
        monkeypatch.setenv("ASSAY_BASE_URL", script.base_url)
        monkeypatch.setenv("ASSAY_API_KEY", "asy_test")
        yield script


@pytest.fixture
def assay(capfd: pytest.CaptureFixture[str]) -> Assay:
    def call(*arguments: str) -> Finished:
        preferences.quiet = preferences.no_color = False
        code = run(_words(arguments))
        out, err = capfd.readouterr()
        return Finished(code, out, err)

    return call


def _words(arguments: Sequence[str]) -> list[str]:
    return [word for argument in arguments for word in (argument.split() if "{" not in argument else [argument])]
