"""What a hostile Python script tries, and which limit stops it."""

import textwrap
from dataclasses import replace

import pytest

from assay.sandbox import Sandbox, ScriptError, ScriptLimits

LIMITS = ScriptLimits(memory_bytes=10 << 20, output_bytes=100_000)
# For what must run into it; the rest has time, so that a busy machine changes no outcome.
BRIEFLY = replace(LIMITS, seconds=0.3)

ESCAPES = {
    "read a file": "return open('/etc/passwd').read()",
    "read a file by pathlib": "from pathlib import Path\nreturn Path('/etc/passwd').read_text()",
    "write a file": "open('/tmp/assay-escaped', 'w').write('x')",
    "list a folder": "import os\nreturn os.listdir('/')",
    "read the environment": "import os\nreturn dict(os.environ)",
    "read one variable": "import os\nreturn os.getenv('PATH', 1 / 0)",
    "open a TCP socket": "import socket\nreturn socket.create_connection(('127.0.0.1', 5432))",
    "open a UDP socket": "import _socket\nreturn _socket.socket(2, 2)",
    "fetch a page": "import urllib.request\nreturn urllib.request.urlopen('http://127.0.0.1')",
    "use an inherited descriptor": "import os\nreturn os.write(3, b'x')",
    "start a program": "import subprocess\nreturn subprocess.run(['id'])",
    "start a program by os": "import os\nreturn os.system('id')",
    "fork": "import os\nreturn os.fork()",
    "start a thread": "import threading\nreturn threading.Thread()",
    "load a library": "import ctypes\nreturn ctypes.CDLL(None)",
    "import by name": "return __import__('os').system('id')",
    "import by importlib": "import importlib\nreturn importlib.import_module('subprocess')",
    "walk to all classes": "return ().__class__.__bases__[0].__subclasses__()",
    "walk by the type": "return type(1).__mro__[1].__subclasses__()",
    "walk to the globals": "return script.__globals__['__builtins__']",
    "walk to the code": "return script.__code__.co_consts",
    "walk by format": "return '{0.__class__.__mro__}'.format(script)",
    "walk by getattr": "return getattr((), '__cla' + 'ss__')",
    "walk by a traceback": "try:\n  1 / 0\nexcept Exception as e:\n  return e.__traceback__.tb_frame.f_globals",
    "read the frame": "import sys\nreturn sys._getframe(1).f_locals",
    "reach the host's modules": "import assay\nreturn assay",
    "compile code": "return compile('1', 'x', 'eval')",
    "exit": "import sys\nsys.exit(0)",
    "unpickle": "import pickle\nreturn pickle.loads(b'cos\\nsystem\\n(S\"id\"\\ntR.')",
    "collect the host's objects": "import gc\nreturn gc.get_objects()",
    "input": "return input()",
    "break into the debugger": "breakpoint()\nreturn 1 / 0",
}

EXHAUSTIONS = {
    "loop for ever": ("while True: pass", "script_timeout"),
    "loop and swallow the interruption": (
        "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
        "script_timeout",
    ),
    "loop in a finally": ("try:\n  while True: pass\nfinally:\n  while True: pass", "script_timeout"),
    "loop inside a regular expression": (
        "import re\nreturn bool(re.match('^(a+)+\\\\1$', 'a' * 60 + 'b'))",
        "script_error",
    ),
    "loop inside a whole number": ("x = 3\nwhile True: x = x * x % (10 ** 20000)", "script_timeout"),
    "grow a whole number": ("x = 3\nwhile True: x = x * x", "script_memory_limit"),
    "one huge whole number": ("return 10 ** (10 ** 9)", "script_memory_limit"),
    "shift a whole number": ("return 1 << (10 ** 10)", "script_memory_limit"),
    "sleep": ("import time\ntime.sleep(100)", "script_timeout"),
    "sleep often": ("import time\nwhile True: time.sleep(0.01)", "script_timeout"),
    "sleep in asyncio": (
        "import asyncio\nasync def f():\n  await asyncio.sleep(100)\nasyncio.run(f())",
        "script_timeout",
    ),
    "loop in a sort key": ("def key(x):\n  while True: pass\nreturn sorted([1, 2], key=key)", "script_timeout"),
    "loop in a comparison": (
        "class A:\n  def __eq__(self, other):\n    while True: pass\nreturn A() == A()",
        "script_timeout",
    ),
    "sum a huge range": ("return sum(range(10 ** 12))", "script_timeout"),
    "bomb of lists": ("a = []\nwhile True: a.append([0] * 1000)", "script_memory_limit"),
    "bomb of strings": ("a = []\nwhile True: a.append('x' * 100000 + str(len(a)))", "script_memory_limit"),
    "bomb of bytes": ("return len(b'x' * 10 ** 10)", "script_memory_limit"),
    "one large list": ("return len([0] * 10 ** 9)", "script_memory_limit"),
    "bomb of dictionaries": ("d = {}\ni = 0\nwhile True:\n  d[i] = {}\n  i += 1", "script_memory_limit"),
    "bomb by doubling": ("s = 'x'\nwhile True: s += s", "script_memory_limit"),
    "bomb of a range": ("return len(list(range(10 ** 9)))", "script_memory_limit"),
    "bomb by formatting": ("return len('%999999999d' % 1)", "script_memory_limit"),
    "bomb by justifying": ("return len('x'.ljust(10 ** 10))", "script_memory_limit"),
    "bomb by replacing": ("return len(('a' * 10 ** 6).replace('a', 'a' * 10 ** 4))", "script_memory_limit"),
    "recurse for ever": ("return script()", "script_error"),
    "recurse in JSON": ("import json\nreturn json.loads('[' * 10 ** 6)", "script_error"),
    "nest the result deeply": ("a = 1\nfor i in range(2000): a = [a]\nreturn a", "script_result_invalid"),
    "flood the output": ("return 'x' * 200000", "script_output_limit"),
    "flood by printing": ("for i in range(1000): print('x' * 1000)", "script_output_limit"),
    "flood the output with an error": ("raise ValueError('x' * 10 ** 6)", "script_error"),
    "return a cycle": ("a = []\na.append(a)\nreturn a", "script_result_invalid"),
}


def limits_for(code: str) -> ScriptLimits:
    return BRIEFLY if code == "script_timeout" else LIMITS


async def attack(sandbox: Sandbox, body: str, limits: ScriptLimits = LIMITS) -> object:
    source = "def script():\n" + textwrap.indent(body, "  ")
    return await sandbox.run(language="python", source=source, function="script", arguments={}, limits=limits)


async def assert_untouched(sandbox: Sandbox) -> None:
    source = "import json\ndef script(a): return {'sum': a['b'] + 1, 'json': json.dumps([1])}"
    result = await sandbox.run(language="python", source=source, function="script", arguments={"a": {"b": 1}})
    assert result == {"sum": 2, "json": "[1]"}


@pytest.mark.parametrize("body", ESCAPES.values(), ids=ESCAPES)
async def test_nothing_of_the_host_is_there(sandbox: Sandbox, body: str) -> None:
    with pytest.raises(ScriptError) as caught:
        await attack(sandbox, body)
    assert caught.value.code == "script_error"
    await assert_untouched(sandbox)


@pytest.mark.parametrize(("body", "code"), EXHAUSTIONS.values(), ids=EXHAUSTIONS)
async def test_a_limit_stops_what_never_ends(sandbox: Sandbox, body: str, code: str) -> None:
    with pytest.raises(ScriptError) as caught:
        await attack(sandbox, body, limits_for(code))
    assert caught.value.code == code
    assert len(caught.value.message) < 2000
    await assert_untouched(sandbox)


async def test_a_script_leaves_nothing_for_the_next(sandbox: Sandbox) -> None:
    leave = "import json\njson.left = 1\nleft = 1\ndef script(): return 1"
    with pytest.raises(ScriptError):
        await sandbox.run(language="python", source=leave, function="script", arguments={})
    for _ in range(4):
        with pytest.raises(ScriptError, match="left"):
            await attack(sandbox, "return left")
        with pytest.raises(ScriptError, match="left"):
            await attack(sandbox, "import json\nreturn json.left")


async def test_attacks_at_the_top_level_are_stopped_too(sandbox: Sandbox) -> None:
    for source, code in (
        ("while True: pass", "script_timeout"),
        ("a = []\nwhile True: a.append([0] * 1000)", "script_memory_limit"),
        ("(" * 100_000, "script_syntax"),
        ("def script(): return 1\n#" + "x" * 300_000, "script_syntax"),
        ("x = '\0'", "script_syntax"),
    ):
        with pytest.raises(ScriptError) as caught:
            await sandbox.run(
                language="python", source=source, function="script", arguments={}, limits=limits_for(code)
            )
        assert caught.value.code == code
        await assert_untouched(sandbox)
