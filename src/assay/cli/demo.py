"""`assay demo`: the whole life of a workflow in two minutes, on made-up documents and a server of its own."""

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

import assay
from assay import settings
from assay.cli import demo_server, demo_telling, formats, output
from assay.cli.answers import Json, part
from assay.cli.demo_documents import DemoInvoice
from assay.cli.demo_server import DemoServer
from assay.cli.demo_story import FIRST, FIXED, POLICY, TARGET, Result, Reviewed, Story, failing_examples, missing_proof
from assay.cli.demo_telling import Teller
from assay.cli.failure import Failure
from assay.cli.options import AsJson
from assay_client import Client

EXAMPLE = Path("examples") / "invoice-fields" / "workflow.yaml"
FEWEST = 8


@dataclass(frozen=True, slots=True)
class Told:
    """What the story came to."""

    first: Json
    shadow: Sequence[Result]
    reviewed: Sequence[Reviewed]
    missed: Sequence[Reviewed]
    agreement: Json
    before: Json
    after_promotion: Json
    fixed: Json
    live: Sequence[Result]
    resolutions: Sequence[Json]
    health_before: Json
    health_after: Json

    @property
    def runs(self) -> Sequence[Result]:
        """All traffic there was."""
        return [*self.shadow, *self.live]

    @property
    def succeeded(self) -> bool:
        """Whether everything went as it should: wrong fields are results, a miss without its proof is not."""
        return all(one.completed for one in self.runs) and not missing_proof(self.resolutions)


def demo(
    *,
    seed: Annotated[int, typer.Option("--seed", help="Other numbers make other invoices.")] = 7,
    count: Annotated[
        int, typer.Option("--count", min=FEWEST, max=1000, help="How many invoices are shadow traffic.")
    ] = 16,
    port: Annotated[int, typer.Option("--port", help="Port of the server; 0 takes a free one.")] = 0,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", metavar="DIR", help="Keep everything there; else a temporary folder, removed at the end."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lead a workflow through its life on made-up invoices: measured, reviewed, mended, proven.

    On a terminal the server stays up until Ctrl-C. Otherwise, or with DEMO_EXIT=1, everything is
    stopped at the end. Exits with 1 if a run did not complete, or a miss is not proven to be mended.
    """
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    stays = output.is_terminal() and not settings.demo_exits()
    teller = Teller(as_json)
    with demo_server.folder(data_dir) as place:
        output.say("Starting PostgreSQL, the server and a worker …")
        with demo_server.running(place, port) as server, Client(server.base_url, server.api_key) as client:
            began = time.monotonic()
            source = _example().read_text(encoding="utf-8")
            story = Story(client, place / "demo-documents", seed=seed, count=count, source=source)
            told = _tell(story, teller)
            seconds = time.monotonic() - began
            teller.say("", f"{formats.count(len(told.runs), 'invoice')} in {seconds:.0f} s.")
            if as_json:
                output.print_json(_as_json(told, seconds))
            _say_where_to_look(server, told, place, stays=stays, kept=data_dir is not None)
            if stays:
                _stay(server)
    if not told.succeeded:
        raise typer.Exit(1)


def _tell(story: Story, teller: Teller) -> Told:
    first = _pass_the_eval(story, teller)
    shadow, agreement = _run_in_the_shadow(story, teller)
    reviewed = _review(story, teller, shadow)
    missed = [one for one in reviewed if one.result.misses]
    if not missed:
        raise Failure("Nothing was wrong in what was looked at.", hint="Another --seed makes other invoices.")
    before = story.health(FIRST, "shadow")
    after_promotion, fixed = _close_the_loop(story, teller, missed)
    live = _send(story, story.live, "live")
    story.review(live)
    health = story.health(FIXED, "live")
    told = Told(
        first,
        shadow,
        reviewed,
        missed,
        agreement,
        first,
        after_promotion,
        fixed,
        live,
        story.resolutions(missed),
        before,
        health,
    )
    _go_live(story, teller, told)
    return told


def _pass_the_eval(story: Story, teller: Teller) -> Json:
    teller.chapter("1. Pass the eval")
    story.set_up()
    teller.say(f"{len(story.known)} invoices whose truth is known are the dataset; exact-diff asks for every field.")
    experiment = story.measure(FIRST)
    teller.say(demo_telling.outcome(experiment))
    return experiment


def _run_in_the_shadow(story: Story, teller: Teller) -> tuple[Sequence[Result], Json]:
    teller.chapter("2. Integrate, and run in the shadow")
    teller.say(f"POST /api/v1/runs says 403 {story.try_too_early()}; the API trigger is on now.")
    story.sample()
    shadow = _send(story, story.shadow, "shadow")
    teller.say(
        f"{len(shadow)} new invoices went through in mode shadow: nothing acts on what comes out.",
        "People keyed in the same invoices, as they always did. Workflow and people say the same in",
    )
    agreement = story.import_incumbents(shadow)
    rows = [row[:2] for row in demo_telling.agreement_rows(agreement)]
    teller.table(("field", "the same, with 95 % interval"), rows)
    teller.say("and in all of the other fields. Who is wrong, a comparison cannot tell.")
    return shadow, agreement


def _review(story: Story, teller: Teller, shadow: Sequence[Result]) -> Sequence[Reviewed]:
    teller.chapter("3. and 4. Sample, and review")
    reviewed = story.review(shadow)
    teller.say(
        f"Policy: {POLICY['rate']:.0%} of all runs by chance, and each whose amounts do not add up.",
        f"{len(reviewed)} of {len(shadow)} were drawn. The verdicts, each miss with its correction:",
    )
    teller.table(("document", "drawn", "verdict", "miss", "run"), demo_telling.review_rows(reviewed))
    judged = demo_telling.agreement_rows(story.agreement())
    teller.say("Of those that were looked at, it is known who is right:")
    teller.table(("field", "the same", "workflow right", "people right"), judged)
    return reviewed


def _close_the_loop(story: Story, teller: Teller, missed: Sequence[Reviewed]) -> tuple[Json, Json]:
    teller.chapter("5. Close the loop")
    shown = missed[0].result
    teller.say(f"Reproduce: `assay runs trace {shown.run_id}` shows which step took the wrong {shown.misses[0]}:")
    teller.table(
        ("step", "type", "took", shown.misses[0]), demo_telling.step_rows(story.steps(shown.run_id), shown.misses[0])
    )
    names = story.promote(missed)
    teller.say(f"Promote: now examples, with what should have come out: {', '.join(names)}.")
    again = story.measure(FIRST)
    teller.say(demo_telling.outcome(again), "Calling the miss resolved is refused, 409 resolution_unproven:")
    teller.say(*(f"  - {sentence}" for sentence in story.claim_fixed(missed[0].result.run_id)))
    version_id = story.fix()
    teller.say(f"Fix: {FIXED} does not take what is left to pay for the total. It is staged, and serves nobody yet.")
    fixed = story.measure(FIXED)
    teller.say(f"Confirm: {demo_telling.outcome(fixed)}")
    standing = story.resolutions(missed)
    teller.say(*(f"{one['promotedExampleName']}: {_standing(one)}" for one in standing))
    story.make_current(version_id)
    teller.say(f"{FIXED} is the current version now.")
    return again, fixed


def _go_live(story: Story, teller: Teller, told: Told) -> None:
    teller.chapter("6. Live, with the sample going on")
    teller.say(f"{len(told.live)} more invoices went through, and their output counts. The misses that were found:")
    teller.say(*(f"{one['promotedExampleName']}: {_standing(one)}" for one in told.resolutions))
    rows = [
        demo_telling.health_row(f"{FIRST}, shadow", told.health_before, "shadow"),
        demo_telling.health_row(f"{FIXED}, live", told.health_after, "live"),
    ]
    teller.say("Quality as the random sample shows it, before and after; with so few runs nothing is certain yet:")
    teller.table(("version", "runs", "reviewed", "right, with 95 % interval", "open"), rows)


def _standing(feedback: Json) -> str:
    resolution = part(feedback, "resolution")
    proof = "proven" if resolution.get("proven") else "not proven"
    return f"{feedback['status']}, {proof}, the fix is {'live' if resolution.get('live') else 'not live yet'}."


def _send(story: Story, invoices: Sequence[DemoInvoice], mode: str) -> Sequence[Result]:
    with demo_telling.progress() as progress:
        task = progress.add_task("Invoices", total=len(invoices))
        return story.send(invoices, mode, lambda: progress.advance(task))


def _example() -> Path:
    """Return the example's file: in a wheel it lies inside the package, in a clone beside `src`."""
    package = Path(assay.__file__).parent
    found = next((root / EXAMPLE for root in (package, package.parents[1]) if (root / EXAMPLE).is_file()), None)
    if found is None:
        raise Failure(f"This installation lacks {EXAMPLE}.")
    return found


def _as_json(told: Told, seconds: float) -> dict[str, Any]:
    return {
        "experiments": [
            {
                "version": one["version"],
                "id": one["id"],
                "examples": one["runCount"],
                "passed": one["passedCount"],
                "failed": failing_examples(one),
            }
            for one in (told.first, told.after_promotion, told.fixed)
        ],
        "documents": [_document(one) for one in told.runs],
        "runsCompleted": sum(one.completed for one in told.runs),
        "agreement": told.agreement,
        "reviewed": [
            {"runId": one.result.run_id, "reason": one.reason, "rating": "fail" if one.result.misses else "pass"}
            for one in told.reviewed
        ],
        "resolutions": [
            {"status": one["status"], "example": one["promotedExampleName"], **part(one, "resolution")}
            for one in told.resolutions
        ],
        "health": {"before": told.health_before, "after": told.health_after},
        "seconds": round(seconds, 3),
    }


def _document(result: Result) -> dict[str, Any]:
    return {
        "document": result.invoice.path.name,
        "runId": result.run_id,
        "status": result.run["execution"]["status"],
        "durationMs": result.run["timing"]["durationMs"],
        "right": dict(result.right),
        "expected": dict(result.invoice.truth),
        "output": result.run.get("output"),
    }


def _say_where_to_look(server: DemoServer, told: Told, place: Path, *, stays: bool, kept: bool) -> None:
    shown = told.missed[0].result if told.missed else told.shadow[0]
    program = shlex.quote(_program())
    dashboard = demo_server.sign_in_link(server, place) if stays else f"{server.base_url}/"
    output.say(
        f"""
Where to look next
  {dashboard}
      the dashboard: runs, the queue, the dataset, experiments{" (the link signs you in, once)" if stays else ""}
  export ASSAY_BASE_URL={server.base_url} ASSAY_API_KEY={server.api_key}
  {program} runs trace {shown.run_id}
      the miss, step by step: what went in, what came out, how long it took
  {program} runs feedback get {shown.run_id}
      the verdict, the correction and the proof; `history` tells who said what when
  {program} runs incumbent agreement {TARGET}
  {program} automations health {TARGET}
  {program} sampling advice {TARGET}
  {program} runs list {TARGET} --review-state unreviewed
  README.md, docs/lifecycle.md, docs/api.md"""
    )
    if stays:
        output.say(f"\nThe server stays up until Ctrl-C; its log is {server.log}.")
    elif kept:
        output.say(f"\nThe server stops now; to look around: {program} serve --data-dir {shlex.quote(str(place))}")
    else:
        output.say("\nEverything stops now and is removed; on a terminal the server stays up.")


def _program() -> str:
    """Return how a person calls this program again."""
    beside = Path(sys.executable).parent / "assay"
    if not beside.is_file():
        return "assay"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


def _stay(server: DemoServer) -> None:
    """Return at Ctrl-C.

    Raises:
        Failure: the server ended by itself.
    """
    try:
        code = server.process.wait()
    except KeyboardInterrupt:
        output.say("\nStopping …")
        return
    raise Failure(f"The server ended with code {code}.", hint=f"Its log was {server.log}.")
