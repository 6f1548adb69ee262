"""How a change of a dataset becomes its next revision: one at a time, counted without gaps, and audited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from assay import access, db, ids, jsontext
from assay.datasets import store
from assay.datasets.errors import DatasetFullError
from assay.datasets.fingerprints import content_hash, graded_hash
from assay.datasets.model import Content, ExampleChange, ExampleGuard, ExampleVersion, Revision

MAX_EXAMPLES = 100_000


@dataclass(slots=True)
class Draft:
    """The next revision of a dataset, which nobody else can change until the transaction ends.

    `guard` is asked before an example that is there gets another content, or goes.
    """

    tx: db.Transaction
    caller: access.Caller
    automation_id: str
    guard: ExampleGuard | None
    number: int
    changed: bool = False

    @classmethod
    async def begin(
        cls, tx: db.Transaction, caller: access.Caller, automation_id: str, guard: ExampleGuard | None
    ) -> "Draft":
        """Wait until nobody else changes the dataset; what is read of it from now on stays true.

        Without a guard, examples can only be added.
        """
        await store.lock(tx, automation_id)
        newest = await store.revisions(tx, caller.organization_id, automation_id, 1, 0)
        return cls(tx, caller, automation_id, guard, newest[0].number + 1 if newest else 1)

    async def put(self, contents: Sequence[tuple[store.Living | None, Content]]) -> list[str]:
        """Give examples that are there another content, or add new ones; return all their ids.

        An example whose content stays the same is left alone.
        """
        organization_id = self.caller.organization_id
        written = [_written(living, content) for living, content in contents]
        before = {living.example_id: living for living, _ in contents if living is not None}
        fresh = [version for version in written if version.example_id not in before]
        other = [v for v in written if v.example_id in before and _differs(before[v.example_id], v)]
        if other:
            await self._ask([_change(before[version.example_id], version) for version in other])
            closed = [before[version.example_id].version_id for version in other]
            await store.close_versions(self.tx, organization_id, closed, self.number)
            await store.touch(self.tx, organization_id, {v.example_id: v.content.name for v in other})
        if fresh:
            names = {version.example_id: version.content.name for version in fresh}
            await store.insert_examples(self.tx, organization_id, self.automation_id, names)
        if fresh or other:
            self.changed = True
            await store.insert_versions(
                self.tx, organization_id, self.automation_id, self.number, self.caller.user_id, [*fresh, *other]
            )
        return [version.example_id for version in written]

    async def delete(self, gone: Sequence[store.Living]) -> None:
        """Take examples out of the dataset; earlier revisions keep them, their names are free."""
        if gone:
            await self._ask([_change(one, None) for one in gone])
            self.changed = True
            organization_id = self.caller.organization_id
            await store.close_versions(self.tx, organization_id, [one.version_id for one in gone], self.number)
            await store.delete_examples(self.tx, organization_id, [one.example_id for one in gone])

    async def finish(self, action: str, target: str, detail: Mapping[str, JsonValue]) -> Revision | None:
        """Write the revision and the audit entry; None, and nothing written, if nothing has changed.

        Raises:
            DatasetFullError: there are too many examples now.
        """
        if not self.changed:
            return None
        caller = self.caller
        revision = await store.add_revision(
            self.tx, caller.organization_id, self.automation_id, self.number, action, caller.user_id
        )
        if revision.examples > MAX_EXAMPLES:
            message = f"A dataset holds at most {MAX_EXAMPLES:,} examples."
            raise DatasetFullError(message)
        await access.record(
            self.tx,
            organization_id=caller.organization_id,
            user_id=caller.user_id,
            key_id=caller.key_id,
            action=action,
            target=target,
            detail={"automation": self.automation_id, "revision": revision.number, **detail},
        )
        return revision

    async def _ask(self, changes: Sequence[ExampleChange]) -> None:
        assert self.guard is not None, "nobody was asked whether examples may change"
        await self.guard(self.tx, self.caller, changes)


def content_of(version: ExampleVersion) -> Content:
    """Return what of a version can be changed."""
    return Content(
        name=version.name,
        row_order=version.row_order,
        input=version.input,
        expected=version.expected,
        expected_error=version.expected_error,
        metadata=version.metadata,
        annotation=version.annotation,
        overrides=version.overrides,
        files=version.files,
    )


def living_of(version: ExampleVersion) -> store.Living:
    """Return what a version is compared with."""
    content = content_of(version)
    expects = content.expected is not None or content.expected_error is not None
    expects = expects or any(file.folder == "expected" for file in content.files)
    return store.Living(
        version.id, version.example_id, version.name, content_hash(content), version.graded_hash, expects
    )


def _change(living: store.Living, written: store.Written | None) -> ExampleChange:
    return ExampleChange(
        living.example_id,
        living.name,
        living.graded_hash,
        living.expects,
        None if written is None else written.content.name,
        None if written is None else written.graded_hash,
    )


def _written(living: store.Living | None, content: Content) -> store.Written:
    sorted_files = sorted(content.files, key=lambda file: file.path)
    content = replace(content, files=sorted_files)
    example_id = ids.new_id("evx") if living is None else living.example_id
    texts = store.Texts(
        jsontext.dump(content.input),
        jsontext.dump_or_none(content.expected),
        jsontext.dump_or_none(content.expected_error),
        jsontext.dump_or_none(content.metadata),
        jsontext.dump_or_none(content.overrides),
    )
    return store.Written(example_id, content, texts, graded_hash(content), content_hash(content))


def _differs(living: store.Living, written: store.Written) -> bool:
    return living.name != written.content.name or living.content_hash != written.content_hash
