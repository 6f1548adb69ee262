"""The command line: everything a person can do from a terminal."""

import sys

from assay.cli.commands import run


def main() -> None:
    """Run the command of this process's arguments and exit with its code."""
    sys.exit(run(sys.argv[1:]))
