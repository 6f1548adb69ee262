import asyncio
import io
import json
import struct
import zipfile
from typing import Any

import pytest
from tests.datasets.conftest import Shelf, measured, packed, unpacked

from assay import datasets


def example(name: str, **documents: Any) -> dict[str, Any]:
    """Entries of one example: `input`, `expected`, `meta` as JSON, and files by their paths under `files`."""
    of_files = documents.pop("files", {})
    return {
        **{f"examples/{name}/{document}.json": value for document, value in documents.items()},
        **{f"examples/{name}/{path}": content for path, content in of_files.items()},
    }


FULL = {
    **example(
        "first",
        input={"doc": {"$file": "input/in/contract.pdf"}, "n": 1.5},
        expected={"total": 3, "letter": [{"$file": "expected/letter.docx"}]},
        meta={"rowOrder": 2, "annotation": "n", "overrides": {"steps": {}}, "metadata": {"from": "mail"}},
        files={"input/in/contract.pdf": b"%PDF", "expected/letter.docx": b"PK"},
    ),
    **example("second", input={}, expected={"$error": {"code": 404}}),
    **example("third", input={"z": "é", "a": None}),
}


async def test_an_archive_is_appended_and_written_again_as_it_was(shelf: Shelf) -> None:
    result = await shelf.load(packed(FULL))
    assert result == datasets.AppendResult(created=3, expected_set=2, skipped=0, issues=[])
    assert await shelf.names() == ["first", "second", "third"]
    first = await shelf.get("first")
    assert (first.row_order, first.annotation, first.metadata) == (2, "n", {"from": "mail"})
    assert [(file.path, file.content_type) for file in first.files][1] == ("input/in/contract.pdf", "application/pdf")
    assert (await shelf.get("second")).expected_error == {"code": 404}
    assert unpacked(await shelf.export()) == FULL
    assert await shelf.number() == 1


async def test_a_compressed_archive_with_folders_and_litter_is_read(shelf: Shelf) -> None:
    entries = {
        "examples/": b"",
        "examples/first/": b"",
        "__MACOSX/examples/._x": b"",
        "examples/.DS_Store": b"",
        **FULL,
    }
    entries["examples/first/.DS_Store"] = b"litter"
    result = await shelf.load(packed(entries))
    assert result.created == 3


async def test_an_export_is_the_same_bytes_each_time(shelf: Shelf) -> None:
    await shelf.load(packed(dict(reversed(FULL.items()))))
    exported = await shelf.export()
    assert exported == await shelf.export()
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        names = [entry.filename for entry in archive.infolist()]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None
    assert names == sorted(names, key=lambda name: name.split("/")[1])


async def test_any_revision_is_exported_after_the_dataset_has_changed(shelf: Shelf) -> None:
    await shelf.load(packed(FULL))
    first = await shelf.export()
    await shelf.update("first", input={"doc": 1})
    await shelf.load(packed(example("other", input={})), "replace")
    assert await shelf.export(revision=1) == first
    assert list(unpacked(await shelf.export())) == ["examples/other/input.json"]
    with pytest.raises(datasets.RevisionNotFoundError):
        await shelf.export(revision=99)


async def test_some_examples_are_exported_and_unknown_ones_are_refused_before_the_first_byte(shelf: Shelf) -> None:
    await shelf.load(packed(FULL))
    by_id = (await shelf.get("first")).example_id
    subset = unpacked(await shelf.export(examples=[by_id, "third"]))
    assert subset == {path: value for path, value in FULL.items() if "/second/" not in path}
    with pytest.raises(datasets.ExampleNotFoundError) as caught:
        await datasets.export_archive(
            shelf.database, shelf.blobs, shelf.organization_id, shelf.automation_id, examples=["first", "no", "nor"]
        )
    assert len(caught.value.issues) == 2


async def test_a_dataset_that_never_was_gives_an_empty_archive(shelf: Shelf) -> None:
    assert unpacked(await shelf.export()) == {}


async def test_files_that_nothing_refers_to_are_left_out_so_that_the_archive_can_be_imported(shelf: Shelf) -> None:
    await shelf.create(name="a", input={"doc": {"$file": "input/f.txt"}})
    await shelf.add("a", "input", f_txt=b"1", early_txt=b"2")
    exported = await shelf.export()
    assert list(unpacked(exported)) == ["examples/a/input.json", "examples/a/input/f.txt"]
    await shelf.load(exported, "replace")
    kept = (await shelf.get("a")).files
    assert [file.path for file in kept] == ["input/f.txt"]


async def test_append_passes_over_names_that_exist_and_says_which(shelf: Shelf) -> None:
    await shelf.create(name="second", input={"mine": 1})
    result = await shelf.load(packed(FULL))
    assert isinstance(result, datasets.AppendResult)
    assert (result.created, result.expected_set, result.skipped) == (2, 1, 1)
    assert [(issue.field, issue.code, issue.severity) for issue in result.issues] == [
        ("examples/second", "name_exists", "warning")
    ]
    assert (await shelf.get("second")).input == {"mine": 1}


async def test_an_archive_that_adds_nothing_makes_no_revision(shelf: Shelf) -> None:
    await shelf.load(packed(FULL))
    assert (await shelf.load(packed(FULL))).created == 0
    assert (await shelf.load(packed(FULL), "replace")).created == 3
    assert await shelf.number() == 1


async def test_replace_makes_the_archive_all_there_is_and_keeps_ids_of_names_in_both(shelf: Shelf) -> None:
    await shelf.load(packed(FULL))
    kept = await shelf.get("third")
    await shelf.create(name="mine")
    changed = {path: value for path, value in FULL.items() if "/first/" not in path}
    changed["examples/second/input.json"] = {"other": 1}
    result = await shelf.load(packed(changed), "replace")
    assert result == datasets.ReplaceResult(created=2, expected_set=1, deleted=4, files_deleted=2)
    assert await shelf.names() == ["second", "third"]
    assert await shelf.get("third") == kept
    revision = await shelf.revision()
    assert revision is not None
    assert (revision.number, revision.action, revision.examples) == (3, "dataset.replaced", 2)


async def test_the_legacy_layout_is_read_and_written_as_the_canonical_one(shelf: Shelf) -> None:
    legacy = {
        "examples/a/input/arguments.json": {"n": 1},
        "examples/a/input/contract/c.pdf": b"%PDF",
        "examples/a/input/pages/1.png": b"1",
        "examples/a/input/pages/2.png": b"2",
        "examples/a/expected/output.json": {"total": 3},
        "examples/a/expected/letter/l.docx": b"PK",
        "examples/a/meta.json": {"rowOrder": 0},
        "examples/b/input/arguments.json": {},
        "examples/b/expected/error.json": {"code": 422},
        "examples/c/input/contract/only.pdf": b"%PDF",
    }
    result = await shelf.load(packed(legacy))
    assert isinstance(result, datasets.AppendResult)
    assert (result.created, result.expected_set) == (3, 2)
    assert [(issue.code, issue.severity) for issue in result.issues] == [("legacy-dataset-format", "warning")]
    exported = unpacked(await shelf.export())
    assert exported == {
        "examples/a/input.json": {
            "n": 1,
            "contract": {"$file": "input/contract/c.pdf"},
            "pages": [{"$file": "input/pages/1.png"}, {"$file": "input/pages/2.png"}],
        },
        "examples/a/expected.json": {"total": 3, "letter": {"$file": "expected/letter/l.docx"}},
        "examples/a/meta.json": {"rowOrder": 0},
        "examples/a/input/contract/c.pdf": b"%PDF",
        "examples/a/input/pages/1.png": b"1",
        "examples/a/input/pages/2.png": b"2",
        "examples/a/expected/letter/l.docx": b"PK",
        "examples/b/input.json": {},
        "examples/b/expected.json": {"$error": {"code": 422}},
        "examples/c/input.json": {"contract": {"$file": "input/contract/only.pdf"}},
        "examples/c/input/contract/only.pdf": b"%PDF",
    }


async def test_everything_wrong_with_an_archive_is_said_at_once_and_nothing_is_imported(shelf: Shelf) -> None:
    await shelf.create(name="there")
    entries = {
        "manifest.json": {},
        "notes.txt": b"",
        "examples/loose.json": {},
        **example("Upper Case", input={}),
        **example("no-input", expected={}),
        **example("not-json", input=b"{", meta=b"\xff\xfe"),
        **example("no-object", input=[1], meta=[2]),
        **example("unreferenced", input={}, files={"input/a.pdf": b"", "expected/b.pdf": b""}),
        **example("missing", input={"doc": {"$file": "input/a.pdf"}}, expected={"x": [{"$file": "input/a.pdf"}]}),
        **example("both", input={}, expected={"$error": {"code": 404}, "total": 1}),
        **example("bad-error", input={}, expected={"$error": {"code": 1}}),
        **example("null", input={}, expected=None),
        **example("bad-meta", input={}, meta={"rowOrder": -1, "annotation": 1, "overrides": {}, "typo": 1}),
        **example("error-files", input={}, expected={"$error": {"code": 404}}, files={"expected/b.pdf": b""}),
        **example("extra", input={}, files={"output/b.pdf": b""}),
        "examples/collides/input/arguments.json": {"doc": 1},
        "examples/collides/input/doc/a.pdf": b"",
        "examples/old-both/expected/error.json": {"code": 404},
        "examples/old-both/expected/output.json": {},
        "examples/old-deep/input/a/b/c.pdf": b"",
    }
    assert set(await shelf.refused(packed(entries))) == {
        ("manifest.json", "manifest_not_supported"),
        ("notes.txt", "unexpected_entry"),
        ("examples/loose.json", "unexpected_entry"),
        ("examples/Upper Case", "invalid_name"),
        ("examples/no-input/input.json", "input_missing"),
        ("examples/not-json/input.json", "invalid_input"),
        ("examples/not-json/meta.json", "invalid_meta"),
        ("examples/no-object/input.json", "invalid_input"),
        ("examples/no-object/meta.json", "invalid_meta"),
        ("examples/unreferenced/input/a.pdf", "file_not_referenced"),
        ("examples/unreferenced/expected/b.pdf", "file_not_referenced"),
        ("examples/missing/input.json:input.doc", "file_missing"),
        ("examples/missing/expected.json:expected.x[0]", "file_missing"),
        ("examples/both/expected.json:expected", "invalid_expected_output"),
        ("examples/bad-error/expected.json:expected.$error.code", "invalid_expected_error"),
        ("examples/null/expected.json", "invalid_expected_output"),
        ("examples/bad-meta/meta.json:typo", "invalid_meta"),
        ("examples/bad-meta/meta.json:rowOrder", "invalid_meta"),
        ("examples/bad-meta/meta.json:annotation", "invalid_meta"),
        ("examples/bad-meta/meta.json:overrides.steps", "invalid_meta"),
        ("examples/error-files/expected.json", "invalid_expected_error"),
        ("examples/error-files/expected/b.pdf", "file_not_referenced"),
        ("examples/extra/output/b.pdf", "unexpected_entry"),
        ("examples/collides/input/doc", "argument_name_collision"),
        ("examples/old-both/expected/error.json", "invalid_expected_error"),
        ("examples/old-deep/input/a/b/c.pdf", "unexpected_entry"),
    }


async def test_of_very_many_issues_the_first_ones_are_told_and_the_others_counted(shelf: Shelf) -> None:
    issues = await shelf.refused(packed({f"examples/e{number:03}/meta.json": {} for number in range(250)}))
    assert len(issues) == 201
    assert issues[-1] == ("file", "more_issues")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../examples/a/input.json", "unsafe_path"),
        ("/examples/a/input.json", "unsafe_path"),
        ("examples/../a/input.json", "unsafe_path"),
        ("examples/a/input/..", "unsafe_path"),
        ("examples//input.json", "unsafe_path"),
        ("examples\\a\\input.json", "unsafe_path"),
        ("examples/a/input/\n.pdf", "unsafe_path"),
        ("examples/a/input/" + "x" * 2000, "unsafe_path"),
    ],
)
async def test_paths_that_lead_elsewhere_are_refused(shelf: Shelf, path: str, code: str) -> None:
    assert code in dict(await shelf.refused(packed({path: b"{}", **FULL}))).values()


async def test_a_name_with_a_nul_is_refused(shelf: Shelf) -> None:
    archive = packed({"examples/a/input/XYZ": b"", **FULL}).replace(b"input/XYZ", b"input/X\x00Z")
    assert "unsafe_path" in dict(await shelf.refused(archive)).values()


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o020644])
async def test_links_and_devices_are_refused(shelf: Shelf, mode: int) -> None:
    buffer = io.BytesIO(packed(FULL))
    with zipfile.ZipFile(buffer, "a") as archive:
        entry = zipfile.ZipInfo("examples/first/input/link")
        entry.create_system, entry.external_attr = 3, mode << 16
        archive.writestr(entry, "/etc/passwd")
    assert ("examples/first/input/link", "symlink") in await shelf.refused(buffer.getvalue())


async def test_the_same_path_twice_is_refused(shelf: Shelf) -> None:
    buffer = io.BytesIO(packed(FULL))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("examples/third/input.json", "{}")
    assert ("examples/third/input.json", "duplicate_entry") in await shelf.refused(buffer.getvalue())


async def test_an_encrypted_entry_is_refused(shelf: Shelf) -> None:
    archive = bytearray(packed(example("a", input={})))
    directory = archive.index(b"PK\x01\x02")
    archive[directory + 8] |= 1
    archive[6] |= 1
    assert await shelf.refused(bytes(archive)) == [("examples/a/input.json", "encrypted_entry")]


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
async def test_compressions_that_cannot_be_limited_are_refused(shelf: Shelf, compression: int) -> None:
    assert set(await shelf.refused(packed(example("a", input={}), compression))) == {
        ("examples/a/input.json", "unsupported_compression")
    }


@pytest.mark.parametrize("archive", [b"", b"no zip", b"PK\x05\x06" + b"\x00" * 18, b"PK\x03\x04" * 10])
async def test_what_is_no_archive_or_an_empty_one_is_refused(shelf: Shelf, archive: bytes) -> None:
    assert [code for _, code in await shelf.refused(archive)] in (["invalid_archive"], ["no_examples"])


async def test_damaged_files_are_found_and_nothing_is_imported(shelf: Shelf) -> None:
    archive = packed(FULL, zipfile.ZIP_STORED).replace(b"%PDF", b"%XXX").replace(b"1.5", b"2.5")
    assert await shelf.refused(archive) == [("examples/first/input.json", "damaged_entry")]
    archive = packed(FULL, zipfile.ZIP_STORED).replace(b"%PDF", b"%XXX")
    assert await shelf.refused(archive) == [("examples/first/input/in/contract.pdf", "damaged_entry")]


@pytest.mark.parametrize("cut", [10, 200, 700])
async def test_a_truncated_archive_is_refused(shelf: Shelf, cut: int) -> None:
    assert [code for _, code in await shelf.refused(packed(FULL)[:-cut])] == ["invalid_archive"]


async def too_large(shelf: Shelf, archive: bytes) -> None:
    with pytest.raises(datasets.ArchiveTooLargeError):
        await shelf.load(archive)
    assert await shelf.number() == 0


async def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(shelf: Shelf) -> None:
    bomb = packed(example("a", input={"d": {"$file": "input/b"}}, files={"input/b": bytes(80 * 1024**2)}))
    assert len(bomb) < 200_000
    await too_large(shelf, bomb)


async def test_an_archive_whose_entries_overlap_counts_each_of_them(shelf: Shelf) -> None:
    # Thirty entries of the directory name one and the same megabytes: small to send, large to unpack.
    single = packed({"examples/a/input/b": bytes(90 * 1024**2)})
    start = single.index(b"PK\x01\x02")
    end = single.index(b"PK\x05\x06")
    record = single[start:end]
    names = [record.replace(b"input/b", b"input/" + bytes([97 + number])) for number in range(26)]
    directory = b"".join(names)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 26, 26, len(directory), start, 0)
    await too_large(shelf, single[:start] + directory + tail)


async def test_an_entry_that_holds_more_than_it_says_is_refused(shelf: Shelf) -> None:
    archive = packed(example("a", input={"text": "x" * 5000}))
    size = struct.pack("<L", len(json.dumps({"text": "x" * 5000})))
    assert archive.count(size) == 2
    assert await shelf.refused(archive.replace(size, struct.pack("<L", 20))) == [
        ("examples/a/input.json", "damaged_entry")
    ]


async def test_an_entry_that_holds_far_more_than_it_says_is_not_unpacked(shelf: Shelf) -> None:
    much = bytes(200 * 1024**2)
    for path in ("input.json", "input/f"):
        entries = example("a", input={"d": {"$file": "input/f"}}, files={"input/f": b"1"})
        archive = packed({**entries, f"examples/a/{path}": much})
        archive = archive.replace(struct.pack("<L", len(much)), struct.pack("<L", 20))
        with measured() as peak:
            issues = await shelf.refused(archive)
        assert (f"examples/a/{path}", "damaged_entry") in issues
        assert peak() < 8 * 1024**2


async def test_too_many_entries_are_refused_before_they_are_read(shelf: Shelf) -> None:
    record = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    for many in (50_001, 400_000):
        directory = record * many
        tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
        await too_large(shelf, directory + tail)


async def test_json_and_files_have_their_own_limits(shelf: Shelf) -> None:
    entries = {
        **example("a", input=b" " * (10 * 1024**2 + 1)),
        **example("b", input={"d": {"$file": "input/f"}}, files={"input/f": bytes(100 * 1024**2 + 1)}),
    }
    buffer = io.BytesIO(packed(entries, zipfile.ZIP_STORED))
    assert await shelf.refused(buffer.getvalue()) == [
        ("examples/a/input.json", "dataset-too-large"),
        ("examples/b/input/f", "dataset-too-large"),
    ]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 151 + "1" + "}" * 151, '{"a": NaN}', '{"a": 1e999}', "{'a': 1}"]
)
async def test_json_that_cannot_be_kept_is_refused(shelf: Shelf, text: str) -> None:
    assert await shelf.refused(packed(example("a", input=text.encode()))) == [
        ("examples/a/input.json", "invalid_input")
    ]


async def test_names_in_both_forms_of_unicode_are_one(shelf: Shelf) -> None:
    archive = packed(
        example(
            "a", input={"doc": {"$file": "input/re\u0301sume\u0301.pdf"}}, files={"input/r\u00e9sum\u00e9.pdf": b"1"}
        )
    )
    await shelf.load(archive)
    stored, artifacts = datasets.run_input(await shelf.get("a"))
    assert artifacts[0].path == "input/doc/r\u00e9sum\u00e9.pdf"
    assert artifacts[0].path in str(stored["doc"])


async def test_a_file_may_be_referred_to_twice(shelf: Shelf) -> None:
    reference = {"$file": "input/f.txt"}
    await shelf.load(packed(example("a", input={"x": reference, "y": [reference]}, files={"input/f.txt": b"1"})))
    assert [file.path for file in (await shelf.get("a")).files] == ["input/f.txt"]


async def test_imports_and_changes_at_the_same_time_lose_nothing(shelf: Shelf) -> None:
    first = packed({f"examples/a-{number}/input.json": {} for number in range(40)})
    second = packed({f"examples/b-{number}/input.json": {} for number in range(40)} | example("a-0", input={"b": 1}))
    results = await asyncio.gather(
        shelf.load(first), shelf.load(second), *(shelf.create(name=f"c-{number}") for number in range(5))
    )
    assert sum(result.created for result in results if isinstance(result, datasets.AppendResult)) == 80
    assert len(await shelf.names()) == 85
    assert await shelf.number() == 7
    revision = await shelf.revision()
    assert revision is not None
    assert revision.examples == 85
