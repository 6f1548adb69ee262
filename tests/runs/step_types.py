"""Step types that only tests have: they wait, leave files behind, or end as they are told."""

import asyncio
from typing import ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps import Effect, FailureCategory, Step, StepContext, StepError

EXAMPLE = ""


class Gate:
    """Where a waiting step says that it has begun, and is told to go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.passed = 0


GATES: dict[str, Gate] = {}


class WaitsAtGate(Step):
    """Wait until the test opens the gate."""

    type_name = "test.gate"
    effect = Effect.READ
    example: ClassVar[str] = EXAMPLE

    gate: str = Field(description="Name of the gate.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        gate = GATES[self.gate]
        gate.reached.set()
        await gate.opened.wait()
        gate.passed += 1
        return {"key": context.idempotency_key}


class PaidGate(WaitsAtGate):
    """The same, and it cannot be interrupted without losing money."""

    type_name = "test.paid-gate"
    effect = Effect.PAID


class Sleeps(Step):
    """Sleep as long as nobody interrupts."""

    type_name = "test.sleep"
    effect = Effect.READ
    example: ClassVar[str] = EXAMPLE

    gate: str = Field(description="Says that it sleeps.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        GATES[self.gate].reached.set()
        await asyncio.sleep(3600)
        return None


class Writes(Step):
    """Keep a file, use something, and read the file of another step."""

    type_name = "test.file"
    example: ClassVar[str] = EXAMPLE

    content: str = Field(description="What is written.")
    input: JsonValue = Field(default=None, description="A file to read.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        read = None
        if self.input is not None:
            file = await context.open_file(self.input)
            read = file.path.read_text()
        context.add_usage(tokensInput=3)
        path = context.keep_artifact("note.txt", self.content.encode(), role="output", content_type="text/plain")
        return {"file": {"$file": path}, "read": read}


class Returns(Step):
    """End in one of the ways that a test needs."""

    type_name = "test.return"
    example: ClassVar[str] = EXAMPLE

    way: str = Field(description="Which one.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        context.add_usage(llmCallCount=1)
        if self.way == "nan":
            return float("nan")
        if self.way == "nul":
            return {"text": "a\x00b\ud800c"}
        if self.way == "deep":
            value: JsonValue = "bottom"
            for _ in range(180):
                value = [value]
            return value
        if self.way == "crash":
            raise KeyError(self.way)
        if self.way == "large":
            return "x" * (33 * 1024**2)
        if self.way == "half":
            return "x" * (20 * 1024**2)
        raise StepError("told_to_fail", f"It was told to: {self.way}.", category="business", status_code=418)


class Flaky(Step):
    """Fail some times, then succeed."""

    type_name = "test.flaky"
    effect = Effect.READ
    example: ClassVar[str] = EXAMPLE
    left: ClassVar[dict[str, int]] = {}

    name: str = Field(description="Whose failures.")
    category: FailureCategory = Field(default="temporarily_unavailable", description="Of what sort.")
    safe: bool = Field(default=True, description="Whether to try again.")
    retry_after_ms: int | None = Field(default=None, description="When to try again.")

    @property
    @override
    def replay_safe(self) -> bool:
        return self.safe

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if Flaky.left[self.name]:
            Flaky.left[self.name] -= 1
            raise StepError(
                "no_luck",
                "Not this time.",
                category=self.category,
                http_status=503,
                retry_after_ms=self.retry_after_ms,
            )
        return {"ok": True}


ALL = (WaitsAtGate, PaidGate, Sleeps, Writes, Returns, Flaky)
