"""What a hostile JavaScript or TypeScript script tries, and which limit stops it."""

from dataclasses import replace

import pytest

from assay.sandbox import Language, Sandbox, ScriptError, ScriptLimits

LIMITS = ScriptLimits(memory_bytes=10 << 20, output_bytes=100_000)
# For what must run into it; the rest has time, so that a busy machine changes no outcome.
BRIEFLY = replace(LIMITS, seconds=0.3)

# Attacks on the host. Nothing of it is there, so each fails in the script's own language.
ESCAPES = {
    "read a file with require": "return require('fs').readFileSync('/etc/passwd')",
    "read a file with QuickJS's std": "return std.loadFile('/etc/passwd')",
    "write a file with QuickJS's std": "return std.open('/tmp/x', 'w')",
    "load a script": "return load('/etc/passwd')",
    "list a folder": "return os.readdir('/')",
    "read the environment of node": "return process.env",
    "read the environment with QuickJS's std": "return std.getenviron()",
    "read the environment of deno": "return Deno.env.toObject()",
    "open a TCP socket by fetch": "return fetch('http://127.0.0.1:5432')",
    "open a TCP socket by XMLHttpRequest": "return new XMLHttpRequest()",
    "open a web socket": "return new WebSocket('ws://127.0.0.1')",
    "open a UDP socket": "return require('dgram').createSocket('udp4')",
    "use an inherited descriptor": "return os.write(3, new ArrayBuffer(1), 0, 1)",
    "start a program": "return require('child_process').execSync('id')",
    "start a program with QuickJS's os": "return os.exec(['id'])",
    "start a thread": "return new Worker('x.js')",
    "kill by signal": "return os.kill(1, 9)",
    "reach Python through a constructor": "return ({}).constructor.constructor('return process')()",
    "reach Python through this": "return this.__class__.__mro__",
    "reach Python through its own function": "return script.__globals__['os']",
    "reach the caller": "return script.caller.arguments",
    "reach the compiler": "return transform('1', {transforms: []})",
    "run WebAssembly": "return new WebAssembly.Module(new Uint8Array(8))",
    "block on shared memory": "return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
    "leave a timer behind": "setTimeout(() => { for (;;); }, 0); return 1",
    "forge the exit of a child": "std.exit(0)",
}

EXHAUSTIONS = {
    "loop for ever": ("for (;;);", "script_timeout"),
    "loop and swallow the interruption": ("for (;;) { try { for (;;); } catch { } }", "script_timeout"),
    "loop in a finally": ("try { for (;;); } finally { for (;;); }", "script_timeout"),
    "loop inside a regular expression": (
        "return /^(a+)+$/.test('a'.repeat(50) + 'b')",
        "script_timeout",
    ),
    "loop inside bigint": ("let x = 3n; for (;;) { x = x * x % (2n ** 20000n); }", "script_timeout"),
    "one huge bigint": ("return String(2n ** (10n ** 9n))", "script_error"),
    "grow a bigint": ("let x = 3n; for (;;) x = x * x", "script_error"),
    "sort with a comparison that never ends": ("return [1, 2].sort(() => { for (;;); })", "script_timeout"),
    "loop in a generator": (
        "function* g() { for (;;) yield 1 } for (const x of g()); return 1",
        "script_timeout",
    ),
    "loop in a getter of the result": ("return {get x() { for (;;); }}", "script_timeout"),
    "loop in toJSON": ("return {toJSON() { for (;;); }}", "script_timeout"),
    "loop in a Proxy": ("return new Proxy({}, {ownKeys() { for (;;); }})", "script_timeout"),
    "loop in the conversion of what is thrown": ("throw {toString() { for (;;); }}", "script_timeout"),
    "loop in a replaced stack": ("throw {get stack() { for (;;); }}", "script_timeout"),
    "loop in a promise": ("return Promise.resolve().then(() => { for (;;); })", "script_result_invalid"),
    "sleep by waiting for the clock": (
        "const t = Date.now(); while (Date.now() - t < 9999); return 1",
        "script_timeout",
    ),
    "bomb of arrays": ("const a = []; for (;;) a.push(new Array(1000).fill(0))", "script_memory_limit"),
    "bomb of strings": ("const a = []; for (;;) a.push('x'.repeat(100000) + a.length)", "script_memory_limit"),
    "bomb of bytes": ("const a = []; for (;;) a.push(new Uint8Array(1e6))", "script_memory_limit"),
    "one large allocation": ("return new Uint8Array(2e9)", "script_memory_limit"),
    "bomb of objects": ("let a = {}; for (;;) a = {a, b: {}}", "script_memory_limit"),
    "bomb of closures": ("let f = () => 1; for (;;) { const g = f; f = () => g }", "script_memory_limit"),
    "bomb of map entries": ("const m = new Map(); for (let i = 0; ; i++) m.set(i, {})", "script_memory_limit"),
    "bomb of array holes": ("return Array.from({length: 1e9})", "script_memory_limit"),
    "bomb by doubling": ("let s = 'x'; for (;;) s += s", "script_error"),
    "recurse for ever": ("return script()", "script_error"),
    "recurse in the regular expression parser": ("return new RegExp('('.repeat(1e6))", "script_error"),
    "recurse in JSON": ("return JSON.parse('['.repeat(1e6))", "script_error"),
    "nest the result deeply": ("let a = 1; for (let i = 0; i < 2000; i++) a = [a]; return a", "script_result_invalid"),
    "flood the output": ("return 'x'.repeat(200000)", "script_output_limit"),
    "flood the output by many bytes a character": ("return '\\u20ac'.repeat(99999)", "script_output_limit"),
    "flood the output with an error": ("throw new Error('x'.repeat(1e6))", "script_error"),
    "return a cycle": ("const a = []; a.push(a); return a", "script_result_invalid"),
}

GAMES = {
    "replace JSON.stringify": "JSON.stringify = () => '\"forged\"'; return 1",
    "replace JSON.parse": "JSON.parse = () => [666]; return 1",
    "replace Reflect.apply": "Reflect.apply = () => 666; return 1",
    "replace Function.prototype.call": "Function.prototype.call = () => 666; return 1",
    "replace the iterator of arrays": "Array.prototype[Symbol.iterator] = function* () { yield 666 }; return 1",
    "give every object a toJSON": "Object.prototype.toJSON = undefined; return 1",
    "replace globalThis": "globalThis.globalThis = {}; return 1",
    "freeze the prototypes": "Object.freeze(Object.prototype); Object.freeze(Array.prototype); return 1",
    "claim every object": "Object.defineProperty(Object, Symbol.hasInstance, {value: () => true}); return 1",
    "trap what an object inherits": "Object.prototype.__defineSetter__('0', () => { throw 1 }); return 1",
}


def limits_for(code: str) -> ScriptLimits:
    return BRIEFLY if code == "script_timeout" else LIMITS


async def attack(
    sandbox: Sandbox, body: str, limits: ScriptLimits = LIMITS, language: Language = "javascript"
) -> object:
    source = f"function script() {{\n{body}\n}}"
    return await sandbox.run(language=language, source=source, function="script", arguments={}, limits=limits)


async def assert_untouched(sandbox: Sandbox) -> None:
    source = "function script(a) { return {sum: a.b + 1, leaked: typeof evil, json: JSON.stringify([1])} }"
    result = await sandbox.run(language="javascript", source=source, function="script", arguments={"a": {"b": 1}})
    assert result == {"sum": 2, "leaked": "undefined", "json": "[1]"}


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


@pytest.mark.parametrize("body", GAMES.values(), ids=GAMES)
async def test_a_script_only_fools_itself(sandbox: Sandbox, body: str) -> None:
    assert await attack(sandbox, "globalThis.evil = 1;" + body) in {1, 666}
    await assert_untouched(sandbox)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("import fs from 'fs'; function script() { return fs }", "script_syntax"),
        ("for (;;); function script() {}", "script_timeout"),
        ("const a = []; for (;;) a.push('x'.repeat(1e5) + a.length)", "script_memory_limit"),
        ("function script() { return import('fs') }", "script_result_invalid"),
        ("async function script() { for (;;); }", "script_timeout"),
        ("(" * 100_000, "script_error"),
        ("function script() { return 1 } //" + "x" * 300_000, "script_syntax"),
        ("function script() { return '\0' }", "script_syntax"),
    ],
)
async def test_attacks_at_the_top_level_are_stopped_too(sandbox: Sandbox, source: str, code: str) -> None:
    with pytest.raises(ScriptError) as caught:
        await sandbox.run(
            language="javascript", source=source, function="script", arguments={}, limits=limits_for(code)
        )
    assert caught.value.code == code
    await assert_untouched(sandbox)


@pytest.mark.parametrize(
    "source",
    ["function script(a: " + "{a: " * 5000, "let a = " + "<" * 20_000, "type A = " + "[" * 20_000, "`${" * 5000],
)
async def test_the_compiler_survives_what_is_no_typescript(sandbox: Sandbox, source: str) -> None:
    with pytest.raises(ScriptError):
        await sandbox.run(language="typescript", source=source, function="script", arguments={}, limits=LIMITS)
    await assert_untouched(sandbox)


@pytest.mark.parametrize(
    ("body", "code"), [EXHAUSTIONS["loop for ever"], EXHAUSTIONS["bomb of arrays"]], ids=["time", "memory"]
)
async def test_the_limits_hold_for_typescript(sandbox: Sandbox, body: str, code: str) -> None:
    with pytest.raises(ScriptError) as caught:
        await attack(sandbox, body, limits_for(code), "typescript")
    assert caught.value.code == code
