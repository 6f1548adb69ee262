"""`assay` with one more step type: the family's folder is a package, and a package's path can be longer."""

from pathlib import Path

from assay import cli
from assay.steps import builtin

if __name__ == "__main__":
    builtin.__path__.append(str(Path(__file__).parent / "step_types"))
    cli.main()
