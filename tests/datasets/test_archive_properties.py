"""What holds for every dataset, however odd, and for every archive, however broken."""

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.datasets.conftest import Shelf, measured, packed, unpacked

from assay import datasets, reviews
from assay.errors import AssayError

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
keys = texts.filter(lambda key: not key.startswith("$"))
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
filenames = st.text("abcXYZ 019.-_äöé中+()'", min_size=1, max_size=12).filter(lambda name: name.strip(" .") == name)
paths = st.lists(filenames, min_size=1, max_size=3).map("/".join)
contents = st.dictionaries(paths, st.binary(max_size=40), max_size=3).filter(
    # A name is either a folder or a file.
    lambda found: not any(other.startswith(path + "/") for path in found for other in found)
)
metas = st.fixed_dictionaries(
    {},
    optional={
        "rowOrder": st.integers(0, 5),
        "annotation": texts,
        "overrides": st.fixed_dictionaries({"steps": st.dictionaries(keys, st.dictionaries(keys, values, max_size=2))}),
        "metadata": st.dictionaries(keys, values, max_size=2),
    },
)
errors = st.fixed_dictionaries({"code": st.integers(400, 599)}, optional={"step": texts.filter(bool)})


@st.composite
def examples(draw: st.DrawFn) -> dict[str, Any]:
    entries: dict[str, Any] = {}

    def side(folder: str, value: dict[str, Any]) -> dict[str, Any]:
        for number, (path, content) in enumerate(draw(contents).items()):
            entries[f"{folder}/{path}"] = content
            reference: dict[str, Any] = {"$file": f"{folder}/{path}"}
            value[f"file{number}"] = draw(st.sampled_from([reference, [reference], {"inner": [1, reference]}]))
        return value

    entries["input.json"] = side("input", draw(st.dictionaries(keys, values, max_size=3)))
    kind = draw(st.sampled_from(["none", "output", "any", "error"]))
    if kind == "output":
        entries["expected.json"] = side("expected", draw(st.dictionaries(keys, values, max_size=3)))
    elif kind == "any":
        entries["expected.json"] = draw(values.filter(lambda value: value is not None))
    elif kind == "error":
        entries["expected.json"] = {"$error": draw(errors)}
    if meta := draw(metas):
        entries["meta.json"] = meta
    return entries


names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)


def as_entries(named: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"examples/{name}/{path}": value for name, entries in named.items() for path, value in entries.items()}


archives = st.dictionaries(names, examples(), min_size=1, max_size=4).map(as_entries)


async def graded(shelf: Shelf) -> list[tuple[str, str]]:
    async with shelf.database.transaction() as tx:
        found = await datasets.graded_hashes(tx, shelf.organization_id, shelf.automation_id)
    return list(found.values())


@given(entries=archives)
@settings(RELAXED, max_examples=60)
async def test_an_archive_survives_import_and_export_and_so_do_its_graded_hashes(
    shelf: Shelf, other_shelf: Shelf, entries: dict[str, Any]
) -> None:
    await shelf.load(packed(entries), "replace")
    first = await shelf.export()
    assert unpacked(first) == entries
    await other_shelf.load(first, "replace")
    assert await other_shelf.export() == first
    assert await graded(shelf) == await graded(other_shelf)
    revision, other = await shelf.revision(), await other_shelf.revision()
    assert revision is not None
    assert other is not None
    assert revision.content_hash == other.content_hash


@given(entries=archives, seed=st.integers(0, 2**32), many=st.integers(1, 8))
@settings(RELAXED, max_examples=150)
async def test_a_broken_archive_is_imported_as_a_whole_or_refused(
    shelf: Shelf, entries: dict[str, Any], seed: int, many: int
) -> None:
    chance = random.Random(seed)
    archive = bytearray(packed(entries))
    for _ in range(many):
        archive[chance.randrange(len(archive))] = chance.randrange(256)
    number = await shelf.number()
    try:
        await shelf.load(bytes(archive), "replace")
    except AssayError:
        assert await shelf.number() == number


async def test_thousands_of_examples_are_imported_in_little_memory(shelf: Shelf) -> None:
    chance = random.Random(1)
    entries: dict[str, Any] = {}
    for number in range(600):
        folder = f"examples/e-{number:04}"
        entries[f"{folder}/input.json"] = {"doc": {"$file": "input/doc.bin"}}
        entries[f"{folder}/input/doc.bin"] = chance.randbytes(64 * 1024)
    archive = packed(entries, compression=0)
    del entries
    async with shelf.blobs.spool(len(archive)) as spool:
        await spool.write(archive)
        size = len(archive)
        del archive
        with measured() as peak:
            await datasets.import_archive(
                shelf.database,
                shelf.blobs,
                shelf.caller,
                shelf.automation_id,
                spool,
                "append",
                guard=reviews.ExampleGuard(),
            )
        assert peak() < 16 * 1024**2 < size
    with measured() as peak:
        pieces = await datasets.export_archive(shelf.database, shelf.blobs, shelf.organization_id, shelf.automation_id)
        assert sum([len(piece) async for piece in pieces]) > size * 0.9
    assert peak() < 8 * 1024**2


async def test_pages_of_a_large_revision_hold_every_example_once(shelf: Shelf) -> None:
    many = 3_000
    await shelf.load(packed({f"examples/e-{number}/input.json": {"n": number} for number in range(many)}))
    seen: list[str] = []
    after = None
    async with shelf.database.transaction() as tx:
        while page := await datasets.examples_at(
            tx, shelf.organization_id, shelf.automation_id, 1, after=after, limit=700
        ):
            seen += [example.name for example in page]
            after = page[-1].place
    assert seen == sorted(f"e-{number}" for number in range(many))
