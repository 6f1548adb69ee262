"""A step that changes something outside: it appends a line to a file, and the line is there when it returns."""

import asyncio
import os
import time
from typing import ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.steps import Effect, Step, StepContext


class Effectful(Step):
    """Append the idempotency key and the time, then take a while to say so."""

    type_name = "test.effect"
    effect = Effect.WRITE
    example: ClassVar[str] = ""

    file: str = Field(description="Where to append.")
    milliseconds: int = Field(description="How long to take before and after.")

    @override
    async def run(self, context: StepContext) -> JsonValue:
        await asyncio.sleep(self.milliseconds / 1000)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{context.idempotency_key} {time.time()}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        await asyncio.sleep(self.milliseconds / 1000)
        return {"key": context.idempotency_key}
