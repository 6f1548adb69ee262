import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from tests.documents import samples

from assay.documents import DocumentParserUnavailableError, DocumentUnreadableError, Limits, Parser

Stored = Callable[[bytes | str], Path]

# Takes minutes if nobody stops it: an HTML parser's work grows with the square of the depth.
ENDLESS = "<html>" + "<div>" * 300_000


@pytest.fixture
async def one_child() -> AsyncIterator[Parser]:
    """A parser with a single child, not yet started."""
    parser = Parser(native_children=1, ocr_children=0, limits=Limits())
    yield parser
    await parser.close()


NewChildren = Callable[[], list[psutil.Process]]


@pytest.fixture
def new_children() -> NewChildren:
    """The living children that started since the test began."""
    before = {child.pid for child in _children(os.getpid())}
    return lambda: [child for child in _children(os.getpid()) if child.pid not in before]


def _children(parent_pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent_pid).children() if _is_alive(child)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_busy(process: psutil.Process) -> bool:
    # It starts in about 0.3 s; what it computes beyond that is the document.
    return process.cpu_times().user > 1.0


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def _busy(children: NewChildren) -> psutil.Process:
    await _until(lambda: any(_is_busy(child) for child in children()))
    return next(child for child in children() if _is_busy(child))


async def test_a_killed_child_fails_its_document_and_the_next_one_works(
    one_child: Parser, stored: Stored, new_children: NewChildren
) -> None:
    task = asyncio.create_task(one_child.parse(stored(ENDLESS), filename="a.html"))
    (await _busy(new_children)).send_signal(signal.SIGKILL)
    with pytest.raises(DocumentUnreadableError, match="crash"):
        await task
    assert (await one_child.parse(stored("fine"), filename="a.txt")).text == "fine"


async def test_a_child_that_died_while_idle_is_replaced_unnoticed(
    one_child: Parser, stored: Stored, new_children: NewChildren
) -> None:
    path = stored("fine")
    await one_child.parse(path, filename="a.txt")
    new_children()[0].send_signal(signal.SIGKILL)
    assert (await one_child.parse(path, filename="a.txt")).text == "fine"


async def test_a_document_is_tried_again_where_a_used_child_died(
    one_child: Parser, stored: Stored, new_children: NewChildren
) -> None:
    await one_child.parse(stored("fine"), filename="a.txt")
    task = asyncio.create_task(one_child.parse(stored("<html>" + "<div>" * 30_000 + "deep"), filename="a.html"))
    (await _busy(new_children)).send_signal(signal.SIGKILL)
    assert (await task).text == "deep"


async def test_cancelling_ends_the_child_and_frees_its_place(
    one_child: Parser, stored: Stored, new_children: NewChildren
) -> None:
    task = asyncio.create_task(one_child.parse(stored(ENDLESS), filename="a.html"))
    child = await _busy(new_children)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: not _is_alive(child))
    assert (await one_child.parse(stored("fine"), filename="a.txt")).text == "fine"


async def test_cancelling_a_waiting_parse_leaves_the_working_one_alone(
    one_child: Parser, tmp_path: Path, stored: Stored
) -> None:
    slow = tmp_path / "slow"
    slow.write_text("<html>" + "<div>" * 20_000 + "deep")
    working = asyncio.create_task(one_child.parse(slow, filename="a.html"))
    waiting = asyncio.create_task(one_child.parse(stored("x"), filename="a.txt"))
    await asyncio.sleep(0)
    waiting.cancel()
    assert (await working).text == "deep"


async def test_documents_are_served_in_the_order_they_came(one_child: Parser, stored: Stored) -> None:
    path = stored("fine")
    finished: list[int] = []

    async def parse(number: int) -> None:
        await one_child.parse(path, filename="a.txt")
        finished.append(number)

    await asyncio.gather(*(parse(number) for number in range(20)))
    assert finished == list(range(20))


async def test_a_closed_parser_leaves_no_child_and_refuses(stored: Stored, new_children: NewChildren) -> None:
    parser = Parser(native_children=2, ocr_children=0)
    task = asyncio.create_task(parser.parse(stored(ENDLESS), filename="a.html"))
    await _busy(new_children)
    await parser.close()
    await parser.close()
    with pytest.raises(DocumentParserUnavailableError):
        await task
    assert new_children() == []
    with pytest.raises(DocumentParserUnavailableError):
        await parser.parse(stored("x"), filename="a.txt")


async def test_children_start_only_when_they_are_needed(stored: Stored, new_children: NewChildren) -> None:
    parser = Parser(native_children=4, ocr_children=0)
    assert new_children() == []
    for _ in range(3):
        await parser.parse(stored("x"), filename="a.txt")
    assert len(new_children()) == 1
    await parser.close()


async def test_a_child_inherits_neither_environment_nor_files(
    one_child: Parser, stored: Stored, new_children: NewChildren, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_SECRET_KEY", "s3cret")
    secret = os.open(stored("secret"), os.O_RDONLY)
    os.set_inheritable(secret, True)
    await one_child.parse(stored("x"), filename="a.txt")
    os.close(secret)
    (child,) = new_children()
    assert "ASSAY_SECRET_KEY" not in child.environ()
    targets = [str(entry.readlink()) for entry in Path(f"/proc/{child.pid}/fd").iterdir()]
    assert all(target.startswith(("pipe:", "socket:", "/dev/null")) for target in targets), targets


async def test_a_child_is_limited_by_the_kernel(one_child: Parser, stored: Stored, new_children: NewChildren) -> None:
    await one_child.parse(stored("x"), filename="a.txt")
    (child,) = new_children()
    assert child.rlimit(psutil.RLIMIT_AS) == (1 << 30, 1 << 30)
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_NOFILE) == (64, 64)
    assert child.rlimit(psutil.RLIMIT_CPU)[0] < 120


async def test_children_die_with_their_parent(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    endless.write_text(ENDLESS)
    program = """
import asyncio, sys
from pathlib import Path
from assay.documents import Parser
async def main():
    parser = Parser(native_children=1, ocr_children=0)
    await parser.parse(Path(sys.argv[1]), filename="a.html")
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program, str(endless)])
    try:
        child = await _busy(lambda: _children(parent.pid))
    finally:
        parent.kill()
        parent.wait()
    await _until(lambda: not _is_alive(child))


async def test_a_child_cannot_reach_the_network_or_start_programs() -> None:
    program = """
import os, socket, subprocess
from assay.documents.confinement import confine
confine(memory_bytes=1 << 30, parent_pid=os.getppid())
for forbidden in (socket.socket, lambda: subprocess.run(["true"]), lambda: os.system("true"), os.fork):
    try:
        forbidden()
    except PermissionError:
        print("refused")
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["refused"] * 4


async def test_ocr_loads_its_models_from_the_package(parser: Parser, stored: Stored) -> None:
    # The child may not open a socket (see above), so a download would end in an error.
    document = await parser.parse(stored(samples.encoded(samples.picture("offline"), "PNG")), filename="a.png")
    assert document.text == "offline"
