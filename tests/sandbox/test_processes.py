import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from assay.sandbox import Language, Sandbox, ScriptLimits, ScriptMemoryLimitError, ScriptTimeoutError

ENDLESS: dict[Language, str] = {
    "javascript": "function script() { for (;;); }",
    "python": "def script():\n  while True: pass",
}
FINE: dict[Language, str] = {"javascript": "function script() { return 1 }", "python": "def script(): return 1"}

Processes = Callable[[], list[psutil.Process]]


@pytest.fixture
async def own() -> AsyncIterator[Sandbox]:
    """A sandbox that may be harmed, not yet started."""
    started = Sandbox(concurrency=2)
    yield started
    await started.close()


@pytest.fixture
def new_processes() -> Processes:
    """The living processes below this one that started since the test began."""
    before = {process.pid for process in _below(os.getpid())}
    return lambda: [process for process in _below(os.getpid()) if process.pid not in before]


def _below(pid: int) -> list[psutil.Process]:
    return [process for process in psutil.Process(pid).children(recursive=True) if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def run(sandbox: Sandbox, language: Language, sources: dict[Language, str], seconds: float = 25.0) -> object:
    return await sandbox.run(
        language=language,
        source=sources[language],
        function="script",
        arguments={},
        limits=ScriptLimits(seconds=seconds),
    )


def _scripts(processes: Processes) -> list[psutil.Process]:
    own_children = {process.pid for process in psutil.Process().children()}
    return [process for process in processes() if process.pid not in own_children]


async def _script_process(processes: Processes) -> psutil.Process:
    """The forked child that runs a script: a child of the zygote."""
    await _until(lambda: _scripts(processes))
    return _scripts(processes)[0]


async def test_nothing_starts_before_the_first_script(own: Sandbox, new_processes: Processes) -> None:
    assert new_processes() == []
    await run(own, "javascript", FINE)
    assert len(new_processes()) == 1


async def test_every_script_has_a_process_of_its_own(own: Sandbox, new_processes: Processes) -> None:
    await run(own, "javascript", FINE)
    tasks = [asyncio.create_task(run(own, "javascript", ENDLESS, seconds=1)) for _ in range(2)]
    await _until(lambda: len(new_processes()) == 3)
    await asyncio.gather(*tasks, return_exceptions=True)
    await _until(lambda: len(new_processes()) == 1)


@pytest.mark.parametrize("language", ["javascript", "python"])
async def test_cancelling_kills_the_script(own: Sandbox, new_processes: Processes, language: Language) -> None:
    await run(own, language, FINE)
    idle = {process.pid for process in new_processes()}
    task = asyncio.create_task(run(own, language, ENDLESS))
    busy = (
        await _script_process(new_processes)
        if language == "javascript"
        else next(process for process in new_processes() if process.pid in idle)
    )
    await _until(lambda: busy.cpu_times().user > 0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: not _is_alive(busy))
    assert await run(own, language, FINE) == 1


async def test_a_child_that_crashes_fails_its_script_alone(own: Sandbox, new_processes: Processes) -> None:
    task = asyncio.create_task(run(own, "javascript", ENDLESS))
    (await _script_process(new_processes)).send_signal(signal.SIGSEGV)
    with pytest.raises(ScriptMemoryLimitError, match="crash"):
        await task
    assert await run(own, "javascript", FINE) == 1


async def test_a_child_that_the_kernel_kills_for_its_time_is_a_timeout(own: Sandbox, new_processes: Processes) -> None:
    task = asyncio.create_task(run(own, "javascript", ENDLESS))
    (await _script_process(new_processes)).send_signal(signal.SIGXCPU)
    with pytest.raises(ScriptTimeoutError):
        await task


async def test_a_zygote_that_died_while_idle_is_replaced_unnoticed(own: Sandbox, new_processes: Processes) -> None:
    await run(own, "javascript", FINE)
    (zygote,) = new_processes()
    zygote.kill()
    await _until(lambda: not _is_alive(zygote))
    assert await run(own, "javascript", FINE) == 1


async def test_a_script_whose_zygote_dies_is_run_again(own: Sandbox, new_processes: Processes) -> None:
    await run(own, "javascript", FINE)
    (zygote,) = new_processes()
    task = asyncio.create_task(run(own, "javascript", ENDLESS, seconds=1))
    orphan = await _script_process(new_processes)
    zygote.kill()
    await _until(lambda: not _is_alive(orphan))
    with pytest.raises(ScriptTimeoutError):
        await task


async def test_a_monty_worker_that_died_is_replaced(own: Sandbox, new_processes: Processes) -> None:
    await run(own, "python", FINE)
    (worker,) = new_processes()
    task = asyncio.create_task(run(own, "python", ENDLESS))
    await _until(lambda: worker.cpu_times().user > 0.1)
    worker.kill()
    with pytest.raises((ScriptMemoryLimitError, ScriptTimeoutError)):
        await task
    assert await run(own, "python", FINE) == 1


async def test_closing_leaves_no_process(new_processes: Processes) -> None:
    own = Sandbox()
    await run(own, "python", FINE)
    task = asyncio.create_task(run(own, "javascript", ENDLESS))
    await _script_process(new_processes)
    await own.close()
    with pytest.raises(Exception, match=r"closed|ended"):
        await task
    await _until(lambda: new_processes() == [])


async def test_no_process_inherits_sockets_files_or_environment(
    new_processes: Processes, own: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_DATABASE_URL", "postgresql://secret")
    with socket.create_server(("127.0.0.1", 0)) as database, (tmp_path / "secret").open("w") as secret:
        connection = socket.create_connection(database.getsockname())
        # As a library in C might leave them.
        os.set_inheritable(connection.fileno(), True)
        os.set_inheritable(secret.fileno(), True)
        task = asyncio.create_task(run(own, "javascript", ENDLESS))
        script = await _script_process(new_processes)
        await _until(lambda: script.cpu_times().user > 0.05)
        (zygote,) = (process for process in new_processes() if process.pid != script.pid)
        assert set(_descriptors(zygote)) <= {"socket", "pipe", "anon_inode", "/dev/null"}
        assert zygote.net_connections(kind="inet") == []
        assert not any("ASSAY" in name for name in zygote.environ())
        # Only root may look into a process that cannot be dumped; test_confinement looks from inside.
        if os.geteuid() == 0:
            assert _descriptors(script) == ["socket"]
        connection.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_python_script_has_no_environment_and_no_connection_of_ours(
    new_processes: Processes, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_DATABASE_URL", "postgresql://secret")
    with socket.create_server(("127.0.0.1", 0)) as database:
        connection = socket.create_connection(database.getsockname())
        await run(own, "python", FINE)
        for worker in new_processes():
            assert worker.net_connections(kind="inet") == []
            assert worker.environ() == {}
        connection.close()


def _descriptors(process: psutil.Process) -> list[str]:
    targets = [str(entry.readlink()) for entry in Path(f"/proc/{process.pid}/fd").iterdir()]
    return [target.split(":")[0] for target in targets]


async def test_a_script_is_limited_by_the_kernel(own: Sandbox, new_processes: Processes) -> None:
    task = asyncio.create_task(run(own, "javascript", ENDLESS))
    script = await _script_process(new_processes)
    await _until(lambda: script.cpu_times().user > 0.05)
    limits = _kernel_limits(script)
    for name in ("Max open files", "Max processes", "Max file size", "Max core file size"):
        assert limits[name] == "0"
    assert limits["Max cpu time"] == "26"
    assert int(limits["Max address space"]) < 300 << 20
    assert script.uids().effective != 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _kernel_limits(process: psutil.Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[1] for line in lines}


async def test_processes_die_with_their_parent() -> None:
    program = """
import asyncio
from assay.sandbox import Language, Sandbox, ScriptLimits
async def main():
    sandbox = Sandbox()
    # A Python script that never ends outlives its server by its own limit: Monty's worker sees only then
    # that nobody listens.
    calls = [("javascript", "function script() { for (;;); }", 25), ("python", "def script():\\n  while True: pass", 2)]
    await asyncio.gather(*(
        sandbox.run(
            language=language, source=source, function="script", arguments={}, limits=ScriptLimits(seconds=seconds)
        )
        for language, source, seconds in calls
    ))
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program])
    try:
        await _until(lambda: len(_below(parent.pid)) >= 3)
        below = _below(parent.pid)
    finally:
        parent.kill()
        parent.wait()
    await _until(lambda: not any(_is_alive(process) for process in below))
