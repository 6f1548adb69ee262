"""`assay users`: the operator adds people, and does what no admin may."""

import json
from typing import Any

import pytest
from tests.cli.conftest import Assay

from assay import db


@pytest.fixture(autouse=True)
def on_database(database: db.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_DATABASE_URL", database.dsn)


def _listed(assay: Assay) -> dict[str, Any]:
    return {one["email"]: one for one in json.loads(assay("users list --json").out)}


def test_links_lead_to_where_people_reach_the_server(assay: Assay, monkeypatch: pytest.MonkeyPatch):
    assert assay("users add --email ada@example.org").out.startswith("http://127.0.0.1:8321/sign-in/link/")
    monkeypatch.setenv("ASSAY_BASE_URL", "http://127.0.0.1:9000")
    assert assay("users link --email ada@example.org").out.startswith("http://127.0.0.1:9000/sign-in/link/")
    monkeypatch.setenv("ASSAY_PUBLIC_URL", "https://assay.example.org")
    made = json.loads(assay("users link --email ada@example.org --json").out)
    assert made["url"].startswith("https://assay.example.org/sign-in/link/")
    told = assay("users link --email ada@example.org --url http://10.0.0.7:80")
    assert told.out.startswith("http://10.0.0.7:80/sign-in/link/")
    assert told.out.count("\n") == 1


def test_the_operator_makes_owners_and_takes_it_back_but_for_the_last(assay: Assay):
    assay("users add --email eve@example.org")
    assert assay("users role --email eve@example.org --role owner").code == 0
    assert assay("users disable --email owner@localhost --yes").code == 0
    assert _listed(assay)["owner@localhost"]["disabled"] is True
    last = assay("users role --email eve@example.org --role admin")
    assert (last.code, "Somebody has to own the organization" in last.err) == (1, True)
    assert assay("users enable --email owner@localhost").code == 0
    assert assay("users sign-out --email eve@example.org").code == 0
    assert _listed(assay)["eve@example.org"]["role"] == "owner"


def test_who_was_never_linked_cannot_be_unlinked(assay: Assay):
    assay("users add --email ben@example.org")
    assert _listed(assay)["ben@example.org"]["linked"] is False
    assert "was not linked" in assay("users unlink --email ben@example.org").err
    assert assay("users unlink --email nobody@example.org").code != 0
