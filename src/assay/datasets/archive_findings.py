"""Everything that is wrong with an archive, told at once: the first 200 issues, and how many there are."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from assay.datasets.errors import DAMAGE, ArchiveIssue, InvalidArchiveError
from assay.errors import Issue

MAX_ISSUES = 200
_SHOWN = 300


@dataclass(slots=True)
class Findings:
    """What was found so far."""

    total: int = 0
    _kept: list[Issue] = field(default_factory=list[Issue])

    def add(self, path: str, message: str, code: ArchiveIssue, *, hint: str | None = None) -> None:
        """Note something that is wrong at a path of the archive."""
        self.total += 1
        if len(self._kept) < MAX_ISSUES:
            self._kept.append(Issue(path[:_SHOWN], message[:_SHOWN], code, hint=hint))

    @contextmanager
    def damage(self, path: str) -> Generator[None]:
        """Note an entry that cannot be unpacked instead of raising."""
        try:
            yield
        except DAMAGE as error:
            self.add(path, f"The entry cannot be unpacked: {error}", ArchiveIssue.DAMAGED)

    def raise_any(self) -> None:
        """Let an archive without issues pass.

        Raises:
            InvalidArchiveError: there are some.
        """
        if not self._kept:
            return
        more = self.total - len(self._kept)
        rest = [Issue("file", f"… and {more:,} more.", ArchiveIssue.MORE)] if more else []
        raise InvalidArchiveError([*self._kept, *rest])
