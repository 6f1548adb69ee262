"""What is found in a workflow file: its issues, and the files beside it that it names."""

from collections.abc import Iterable

from assay import yamltext
from assay.errors import Issue
from assay.yamltext import Document, Path


class Findings(yamltext.Findings):
    """The issues found so far in one workflow file."""

    def __init__(self, document: Document, issues: Iterable[Issue] = ()) -> None:
        """Go on from issues found while parsing."""
        super().__init__(document, issues)
        self.named_files: list[tuple[Path, str]] = []
        """Files beside the workflow that it names, each with the place where it does."""
