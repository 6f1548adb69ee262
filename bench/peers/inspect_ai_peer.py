"""The same examples and evaluators with inspect-ai; prints `{rate, peak, kept}`. Runs in a venv of its own."""
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

import json
import resource
import sys
import tempfile
import time

import jsonschema
from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.scorer import Score, Target, mean, scorer
from inspect_ai.solver import TaskState, solver

FORM = {
    "type": "object",
    "required": ["n", "double"],
    "properties": {"n": {"type": "number"}, "double": {"type": "number"}},
}


@solver
def double():
    async def solve(state: TaskState, generate):
        n = json.loads(state.input_text)["n"]
        state.output.completion = json.dumps({"n": n, "double": 2 * n})
        return state

    return solve


@scorer(metrics=[mean()])
def same():
    async def score(state: TaskState, target: Target):
        return Score(value=float(json.loads(state.output.completion) == json.loads(target.text)))

    return score


@scorer(metrics=[mean()])
def form():
    async def score(state: TaskState, target: Target):
        return Score(value=float(jsonschema.Draft202012Validator(FORM).is_valid(json.loads(state.output.completion))))

    return score


@scorer(metrics=[mean()])
def near():
    async def score(state: TaskState, target: Target):
        output, expected = json.loads(state.output.completion), json.loads(target.text)
        return Score(value=float(abs(output["double"] - expected["double"]) <= 0.01))

    return score


def main(count: int) -> None:
    samples = [
        Sample(id=n, input=json.dumps({"n": n}), target=json.dumps({"n": n, "double": 2 * n})) for n in range(count)
    ]
    task = Task(dataset=MemoryDataset(samples), solver=double(), scorer=[same(), form(), near()])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        (log,) = evaluate(task, model="mockllm/model", log_dir=folder, display="none", max_samples=32)
        seconds = time.perf_counter() - start
        assert log.status == "success"
        assert log.samples is not None
        assert len(log.samples) == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": count / seconds, "peak": peak, "kept": "written to a log"}))


main(int(sys.argv[1]))
