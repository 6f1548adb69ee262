"""Raising a version in a file that a person wrote."""

import pytest
import typer

from assay.cli.workflow_file import Part, raised, with_version


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: x\nversion: 1.0.0\nsteps: []\n", "name: x\nversion: 2.0.0\nsteps: []\n"),
        ("name: x\nversion: '1.0.0'  # ours\n", "name: x\nversion: 2.0.0  # ours\n"),
        ("# c\nname: x\nsteps:\n  - version: 9\n", "# c\nname: x\nversion: 2.0.0\nsteps:\n  - version: 9\n"),
        ("name: x", "name: x\nversion: 2.0.0\n"),
        ("steps: []\n", "version: 2.0.0\nsteps: []\n"),
        ("version:\nname: x\n", "version: 2.0.0\nname: x\n"),
    ],
)
def test_only_the_version_changes(before: str, after: str) -> None:
    assert with_version(before, "2.0.0") == after


@pytest.mark.parametrize(("part", "label"), [("patch", "1.2.4"), ("minor", "1.3.0"), ("major", "2.0.0")])
def test_a_part_is_raised_and_those_below_begin_again(part: Part, label: str) -> None:
    assert raised("1.2.3", part) == label


def test_what_is_no_version_cannot_be_raised() -> None:
    with pytest.raises(typer.BadParameter):
        raised("latest", "patch")
