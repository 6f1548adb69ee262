"""The same examples and evaluators with pydantic-evals; prints `{rate, peak, kept}`. Runs in a venv of its own."""
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

import asyncio
import json
import resource
import sys
import time

import jsonschema
from pydantic_evals import Case, Dataset
from pydantic_evals.evaluators import Evaluator, EvaluatorContext

FORM = {
    "type": "object",
    "required": ["n", "double"],
    "properties": {"n": {"type": "number"}, "double": {"type": "number"}},
}


class Same(Evaluator):
    def evaluate(self, ctx: EvaluatorContext) -> float:
        return float(ctx.output == ctx.expected_output)


class Form(Evaluator):
    def evaluate(self, ctx: EvaluatorContext) -> float:
        return float(jsonschema.Draft202012Validator(FORM).is_valid(ctx.output))


class Near(Evaluator):
    def evaluate(self, ctx: EvaluatorContext) -> float:
        return float(abs(ctx.output["double"] - ctx.expected_output["double"]) <= 0.01)


async def double(given: dict[str, float]) -> dict[str, float]:
    return {"n": given["n"], "double": given["n"] * 2}


async def main(count: int) -> None:
    cases = [
        Case(name=f"example-{n}", inputs={"n": n}, expected_output={"n": n, "double": 2 * n}) for n in range(count)
    ]
    dataset = Dataset(name="double", cases=cases, evaluators=[Same(), Form(), Near()])
    start = time.perf_counter()
    report = await dataset.evaluate(double, max_concurrency=32, progress=False)
    seconds = time.perf_counter() - start
    assert len(report.cases) == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": count / seconds, "peak": peak, "kept": "kept in memory"}))


asyncio.run(main(int(sys.argv[1])))
