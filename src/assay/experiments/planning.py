"""How an experiment begins: everything it rests on pinned, all its runs written, in one transaction."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from assay import access, automations, clock, datasets, db, engine, evaluators, files, ids, providers, runs
from assay.errors import AssayError, Issue
from assay.experiments import store
from assay.experiments.errors import EmptyDatasetError, InvalidPlanError
from assay.experiments.model import Counts, Experiment, Plan

PORTION = 200
"""How many examples are held in memory at a time."""
MAX_RUNS = 100_000
MAX_REPEATS = 100
MAX_CONCURRENCY = 1000


@dataclass(frozen=True, slots=True)
class Started:
    """A new experiment: its runs as (run id, example id), in the order in which they are queued."""

    id: str
    runs: Sequence[tuple[str, str]]


async def create(
    tx: db.Transaction,
    blobs: files.Blobs,
    models: providers.Models,
    caller: access.Caller,
    chosen: runs.Chosen,
    plan: Plan,
) -> Started:
    """Plan an experiment of this exact version over the dataset as it is now; the workers take it up at once.

    Raises:
        EmptyDatasetError: there is no example.
        InvalidPlanError: numbers out of range, examples that do not exist; all of them at once.
        AutomationDisabledError: the version's file says `enabled: false`.
    """
    required = _checked(plan)
    organization_id = caller.organization_id
    revision = await datasets.current_revision(tx, organization_id, chosen.automation_id)
    if revision is None or not revision.examples:
        raise EmptyDatasetError
    wanted = await _wanted(tx, organization_id, chosen.automation_id, plan)
    number = revision.examples if wanted is None else len(wanted)
    if number * plan.repeats > MAX_RUNS:
        message = f"{number} examples, {plan.repeats} times each: an experiment has at most {MAX_RUNS:,} runs."
        raise InvalidPlanError(message, field="repeats")
    evaluator_set = await evaluators.current(tx, organization_id, chosen.automation_id)
    set_id = None if evaluator_set is None else evaluator_set.id
    experiment = Experiment(
        id=ids.new_id("evb"),
        organization_id=organization_id,
        automation_id=chosen.automation_id,
        automation_kind=chosen.kind,
        status="queued",
        version_id=chosen.version_id,
        version_label=chosen.version_label,
        requested_ref=chosen.requested_ref,
        dataset_revision=revision.number,
        dataset_hash=revision.content_hash,
        whole_dataset=wanted is None,
        evaluator_set_id=set_id,
        models=await _models(tx, models, organization_id, chosen.version_id),
        examples=number,
        repeats=plan.repeats,
        required_passes=required,
        concurrency=plan.concurrency,
        runs=number * plan.repeats,
        startable=0,
        admitted=0,
        next_position=0,
        cancel_requested_at=None,
        created_by=caller.user_id,
        created_at=clock.now(),
        started_at=None,
        completed_at=None,
        counts=Counts(0, 0, 0, 0, 0, 0, None),
        summary=None,
    )
    started: list[store.PlannedRun] = []
    rejected = 0
    async for portion in _portions(tx, experiment, wanted):
        planned, refused = await _write_runs(tx, blobs, chosen, experiment, portion, len(started) // plan.repeats)
        started += planned
        rejected += refused
    await store.insert(tx, replace(experiment, startable=len(started) - rejected))
    tx.notify_after_commit("assay_batch_progress", experiment.id)
    started.sort(key=lambda run: run.position)
    return Started(experiment.id, [(run.run_id, run.example_id) for run in started])


async def run_example(
    tx: db.Transaction, blobs: files.Blobs, caller: access.Caller, chosen: runs.Chosen, example: datasets.ExampleVersion
) -> str:
    """Queue one run of an example, graded like in an experiment but part of none; return its id.

    Raises:
        AutomationDisabledError: the version's file says `enabled: false`.
    """
    evaluator_set = await evaluators.current(tx, caller.organization_id, chosen.automation_id)
    run = store.PlannedRun(runs.new_run_id(), example.example_id, example.id, example.name, 0, 1)
    start = _start(run, example)
    await runs.create_batch(
        tx, blobs, caller.organization_id, chosen, [start], batch_id=None, triggered_by=caller.user_id
    )
    set_id = None if evaluator_set is None else evaluator_set.id
    await store.insert_runs(tx, caller.organization_id, chosen.automation_id, None, set_id, [run])
    await engine.admit(tx, [run.run_id])
    return run.run_id


def _checked(plan: Plan) -> int:
    """Return how many repeats of an example have to pass."""
    issues: list[Issue] = []
    required = plan.repeats if plan.required_passes is None else plan.required_passes
    for field, value, most in (
        ("repeats", plan.repeats, MAX_REPEATS),
        ("requiredPasses", required, max(plan.repeats, 1)),
        ("batchConcurrency", 1 if plan.concurrency is None else plan.concurrency, MAX_CONCURRENCY),
    ):
        if not 1 <= value <= most:
            issues.append(Issue(field, f"{field} is a whole number from 1 to {most}.", "invalid_value"))
    if plan.example_ids is not None and not plan.example_ids:
        issues.append(Issue("examples", "Name at least one example, or leave examples out for all.", "invalid_value"))
    if issues:
        raise InvalidPlanError(issues[0].message, field=issues[0].field, issues=issues)
    return required


async def _wanted(tx: db.Transaction, organization_id: str, automation_id: str, plan: Plan) -> Sequence[str] | None:
    """Return the ids of the examples that are asked for, by id or name; None stands for all."""
    if plan.example_ids is None:
        return None
    graded = await datasets.graded_hashes(tx, organization_id, automation_id)
    by_name = {name: example_id for example_id, (name, _) in graded.items()}
    found: dict[str, None] = {}
    issues: list[Issue] = []
    for index, asked in enumerate(plan.example_ids):
        example_id = asked if asked in graded else by_name.get(asked)
        if example_id is None:
            issues.append(Issue(f"examples.{index}", f"The dataset has no example {asked[:128]!r}.", "example_unknown"))
        else:
            found[example_id] = None
    if issues:
        raise InvalidPlanError(issues[0].message, field="examples", issues=issues[:100])
    return list(found)


async def _models(
    tx: db.Transaction, models: providers.Models, organization_id: str, version_id: str
) -> dict[str, JsonValue] | None:
    """Say which models the version's steps will be answered by, as things are now."""
    definition = await automations.definition_of(tx, organization_id, version_id)
    pinned: dict[str, JsonValue] = {}
    for asked in automations.asked_models(definition):
        try:
            pinned[asked.step] = await models.check(organization_id, requested=asked.requested)
        except AssayError as error:
            pinned[asked.step] = f"none: {error.message}"
    return pinned or None


async def _portions(
    tx: db.Transaction, experiment: Experiment, wanted: Sequence[str] | None
) -> AsyncGenerator[list[datasets.ExampleVersion]]:
    after: tuple[int, str] | None = None
    while True:
        portion = await datasets.examples_at(
            tx,
            experiment.organization_id,
            experiment.automation_id,
            experiment.dataset_revision,
            example_ids=wanted,
            after=after,
            limit=PORTION,
        )
        if portion:
            yield portion
        if len(portion) < PORTION:
            return
        after = portion[-1].place


async def _write_runs(
    tx: db.Transaction,
    blobs: files.Blobs,
    chosen: runs.Chosen,
    experiment: Experiment,
    portion: Sequence[datasets.ExampleVersion],
    first: int,
) -> tuple[list[store.PlannedRun], int]:
    """Write the runs of some examples; return them and how many were rejected.

    All first repeats come before all second ones.
    """
    planned: list[store.PlannedRun] = []
    starts: list[runs.ExampleStart] = []
    for index, example in enumerate(portion, first):
        for repeat in range(experiment.repeats):
            position = repeat * experiment.examples + index
            run = store.PlannedRun(
                runs.new_run_id(), example.example_id, example.id, example.name, position, repeat + 1
            )
            planned.append(run)
            starts.append(_start(run, example))
    organization_id = experiment.organization_id
    rejected = await runs.create_batch(
        tx, blobs, organization_id, chosen, starts, batch_id=experiment.id, triggered_by=experiment.created_by
    )
    await store.insert_runs(
        tx, organization_id, experiment.automation_id, experiment.id, experiment.evaluator_set_id, planned
    )
    return planned, rejected


def _start(run: store.PlannedRun, example: datasets.ExampleVersion) -> runs.ExampleStart:
    try:
        (value, artifacts), issues = datasets.run_input(example), ()
    except datasets.InvalidExampleError as error:
        value, artifacts, issues = {}, [], error.issues
    return runs.ExampleStart(
        run_id=run.run_id,
        example_id=example.example_id,
        example_name=example.name,
        input=value,
        artifacts=artifacts,
        overrides=example.overrides,
        issues=issues,
    )
