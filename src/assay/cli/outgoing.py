"""`assay outgoing`: which private hosts the organization's runs may reach."""

from typing import Annotated

import typer

from assay.cli import output
from assay.cli.answers import Json
from assay.cli.connection import connect
from assay.cli.options import AsJson, BaseUrl

app = typer.Typer(help="List, allow and refuse private hosts that runs may reach.")

Hosts = Annotated[
    list[str], typer.Argument(metavar="HOST…", help="host, host:port, *.domain or [v6]:port.", show_default=False)
]


@app.command("list")
def list_hosts(*, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List the private hosts that runs of the organization may reach; public ones may always be."""
    with connect(base_url) as client:
        found = client.outgoing.list()
    _show(found, as_json=as_json)
    if not found["data"]:
        output.say("There is none: assay outgoing allow HOST:PORT")


@app.command("allow")
def allow(hosts: Hosts, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Let runs reach hosts whatever their addresses; prints the whole list."""
    with connect(base_url) as client:
        found = client.outgoing.change(allow=hosts)
    _show(found, as_json=as_json)


@app.command("refuse")
def refuse(hosts: Hosts, *, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Take hosts off the list; prints what is left of it."""
    with connect(base_url) as client:
        found = client.outgoing.change(refuse=hosts)
    _show(found, as_json=as_json)


def _show(found: Json, *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    rows = [(one["host"], output.moment_cell(one["createdAt"]), one["createdBy"]) for one in found["data"]]
    output.print_rows(("host", "since", "by"), rows)
