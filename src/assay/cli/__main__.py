"""`python -m assay.cli` does what `assay` does."""

from assay.cli import main

main()
