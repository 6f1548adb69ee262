"""Measures examples/invoice-extraction on the sample invoices, and writes docs/invoice-extraction.md.

`python -m tools.invoice_extraction` types what the example's README says under "Measure it", on a server of its own,
and reads the results. With `--check` it writes nothing, and exits with 1 if the page is stale. Where there are no
sample invoices it says so, and exits with 3.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.cli import demo_server
from assay.cli.demo_server import DemoServer
from assay_client import Client

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "invoice-extraction"
INVOICES = ROOT.parent / "shared" / "data" / "invoices"
PAGE = ROOT / "docs" / "invoice-extraction.md"
NAME = "workflows.invoice-extraction"
OLD, NEW = "1.0.0", "2.0.0"
Json = Mapping[str, Any]

HEAD = """\
# Two versions of invoice-extraction, measured

Written by `make example` from {examples} sample invoices of the ZUGFeRD and Factur-X communities, which are not part of
this repository; where they are, a test fails when the page is stale. Version {old} reads every invoice from its pages,
version {new} takes the XML of electronic invoices where there is some. The evaluator `bookable` asks that number, date,
currency and all amounts are right, and decides alone; `parties-and-lines` is kept and counts for nothing.

The labels were chosen looking at these invoices, so expect less of {old} on others. All of them carry XML, so {new}
never had to read their pages: this says nothing of it where there is no XML.

What was typed, on a server that did not know the workflow:

```sh
{commands}
```
"""


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it."""
    if not INVOICES.is_dir():
        sys.stderr.write(f"There are no sample invoices in {INVOICES}.\n")
        return 3
    with demo_server.folder(None) as folder, demo_server.running(folder, 0) as server:
        commands = _commands()
        for command in commands:
            _type(command, server)
        with Client(server.base_url, server.api_key) as client:
            page = "\n".join(_page(client, commands))
    if "--check" not in arguments:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if page == PAGE.read_text("utf-8"):
        return 0
    sys.stderr.write(f"{PAGE} is stale: make example\n")
    return 1


def _commands() -> Sequence[str]:
    section = (EXAMPLE / "README.md").read_text("utf-8").split("## Measure it\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return block.strip().splitlines()


def _type(command: str, server: DemoServer) -> None:
    program, *words = command.split()
    assert program == "assay", command
    there = {"ASSAY_BASE_URL": server.base_url, "ASSAY_API_KEY": server.api_key}
    done = subprocess.run(
        [sys.executable, "-m", "assay.cli", *words], cwd=ROOT, env=there, stdout=subprocess.DEVNULL, check=False
    )
    # An experiment in which some examples do not pass exits with 1; here that is a result.
    if done.returncode not in {0, 1 if " experiment run " in command else 0}:
        raise SystemExit(done.returncode)


def _page(client: Client, commands: Sequence[str]) -> Iterator[str]:
    newest = client.experiments.list(NAME)["data"]
    new, old = (next(one for one in newest if one["version"] == version) for version in (NEW, OLD))
    compared = client.comparisons.get(old["id"], new["id"])
    yield HEAD.format(examples=old["examples"], old=OLD, new=NEW, commands="\n".join(commands))
    yield from _rates(compared)
    yield f"\n> {compared['sentence']}\n\nA is {OLD}, B is {NEW}.\n"
    yield from _misses(client, old, compared)
    yield "## What the gate says\n"
    for version in (OLD, NEW):
        yield from _gate(client.gates.examine(NAME, version))
    yield "\nComparison and gate ask different questions: whether a version is *better* than the one before, and"
    yield "whether it is *good enough*, and not worse. Either may be shown where the other is not.\n"


def _rates(compared: Json) -> Iterator[str]:
    yield "## Result\n"
    yield "| version | passed | pass rate | 95 % interval (Wilson) | `bookable`, mean | `parties-and-lines`, mean |"
    yield "| --- | --: | --: | --: | --: | --: |"
    means = {one["evaluator"]: one for one in compared["evaluators"]}
    for version, letter in ((OLD, "A"), (NEW, "B")):
        rate = compared[f"passRate{letter}"]
        scores = [means[name][f"mean{letter}"] for name in ("bookable", "parties-and-lines")]
        yield (
            f"| {version} | {rate['passed']} of {rate['graded']} | {rate['value']:.1%} "
            f"| {rate['lower']:.1%} to {rate['upper']:.1%} | {scores[0]:.3f} | {scores[1]:.3f} |"
        )


def _misses(client: Client, old: Json, compared: Json) -> Iterator[str]:
    yield f"## What {OLD} gets wrong\n"
    yield f"{len(compared['improved'])} examples improved, {len(compared['regressed'])} regressed.\n"
    yield f"| example | field | expected | {OLD} |"
    yield "| --- | --- | --- | --- |"
    found = client.experiments.get(NAME, old["id"])
    names = {run["id"]: run["exampleName"] for run in found["runs"]}
    rows = [
        f"| {names[run_id]} | `{miss['path']}` | {_shown(miss['expected'])} | {_shown(miss['actual'])} |"
        for run_id, scores in found["resultsByRun"].items()
        for score in scores
        if score["evaluatorName"] == "bookable"
        for miss in score["details"]["mismatches"]
    ]
    yield from sorted(rows)
    yield ""


def _gate(decision: Json) -> Iterator[str]:
    line = f"- **{decision['version']}: {decision['status']}.** {decision['passed']} of {decision['graded']} passed,"
    yield f"{line} which shows a rate above {decision['passRateLowerBound']:.1%} (one-sided, 95 %)."
    for missing in decision["missing"]:
        yield f"  {missing['message']}"


def _shown(value: object) -> str:
    return "nothing" if value is None else f"`{value}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
