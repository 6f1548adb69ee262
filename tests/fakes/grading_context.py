"""What an evaluator gets in a test: a sandbox and a model that are given, and a record of what it used."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from assay import documents, providers, sandbox
from assay.evaluators import GradedFile, GradingContext


@dataclass
class FakeGradingContext(GradingContext):
    """Without a model, none is configured."""

    script_sandbox: sandbox.Sandbox | None = None
    answering: providers.Model | None = None
    requested_models: list[str | None] = field(default_factory=list)
    usage: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    @override
    def sandbox(self) -> sandbox.Sandbox:
        assert self.script_sandbox is not None, "this test gave no sandbox"
        return self.script_sandbox

    @property
    @override
    def parser(self) -> documents.Parser:
        raise AssertionError("this test gave no parser")

    @override
    async def model(self, requested: str | None) -> providers.Model:
        self.requested_models.append(requested)
        if self.answering is None:
            raise providers.ProviderNotConfiguredError
        return self.answering

    @override
    async def open(self, file: GradedFile) -> Path:
        raise AssertionError("this test gave no files")

    @override
    def add_usage(self, **amounts: float) -> None:
        for name, amount in amounts.items():
            self.usage[name] += amount
