"""`assay automations lifecycle`: how far an automation has come, and the command that takes it further."""

from collections.abc import Sequence

from assay.cli import output
from assay.cli.answers import Json, items
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl

_NEXT = {
    "push_version": "assay workflow push --file workflow.yaml",
    "add_examples": "assay workflow dataset push {name} --help",
    "run_experiment": "assay gate {name} --run",
    "see_experiments": "assay gate {name}",
    "switch_api_on": "assay automations triggers {name} --enable api",
    "call_api": "assay run {target}",
    "see_runs": "assay runs list {name} --status failed",
    "set_sampling": "assay sampling advice {name}",
    "review": "assay review next",
    "close_reviews": "assay runs list {name} --feedback-status open",
    "set_gate": "assay gate policy set {name} --help",
    "add_alert": "assay automations alerts add {name} --help",
}
"""What to type for each action."""


def lifecycle(automation: AutomationName, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Tell how far an automation has come on the way to being trusted, and what to do next."""
    with connect(base_url) as client:
        found = client.monitoring.lifecycle(automation_ref(automation))
    if as_json:
        output.print_json(found)
        return
    output.print_heading("Lifecycle")
    _print(items(found, "stages"), automation)
    output.print_heading("Before you ship")
    _print(items(found, "beforeYouShip"), automation)


def _print(lines: Sequence[Json], name: str) -> None:
    for line in lines:
        output.print_value(f"[{'x' if line['done'] else ' '}] {line['title']}: {line['evidence']}")
        if line["action"] is not None and not line["done"]:
            output.print_value(f"    {_NEXT[line['action']].format(name=name, target=automation_ref(name))}")
