import hashlib

import pytest
from tests.datasets.conftest import Shelf, packed

from assay import datasets, files, reviews


async def rename(shelf: Shelf, example: str, path: str, filename: str) -> datasets.ExampleFile:
    async with shelf.database.transaction() as tx:
        _, renamed = await datasets.rename_file(
            tx,
            shelf.caller,
            shelf.automation_id,
            example,
            "input",
            path,
            filename=filename,
            guard=reviews.ExampleGuard(),
        )
    return renamed


async def remove(shelf: Shelf, example: str, path: str) -> datasets.ExampleVersion:
    async with shelf.database.transaction() as tx:
        return await datasets.remove_file(
            tx, shelf.caller, shelf.automation_id, example, "input", path, guard=reviews.ExampleGuard()
        )


async def test_files_are_added_before_anything_refers_to_them(shelf: Shelf) -> None:
    await shelf.create(name="a")
    added = await shelf.add("a", "input", contract_pdf=b"%PDF", note_txt=b"note")
    assert [(file.path, file.size, file.content_type) for file in added] == [
        ("input/contract.pdf", 4, "application/pdf"),
        ("input/note.txt", 4, "text/plain"),
    ]
    await shelf.add("a", "expected", contract_pdf=b"%PDF-2")
    example = await shelf.get("a")
    assert [file.path for file in example.files] == ["expected/contract.pdf", "input/contract.pdf", "input/note.txt"]
    found = datasets.file_of(example, "expected", "contract.pdf")
    assert await shelf.blobs.read(found.sha256, 100) == b"%PDF-2"
    assert await shelf.number() == 3


async def test_a_file_of_the_same_name_is_replaced(shelf: Shelf) -> None:
    await shelf.create(name="a")
    await shelf.add("a", "input", f_txt=b"one")
    await shelf.add("a", "input", f_txt=b"two")
    (file,) = (await shelf.get("a")).files
    assert file.sha256 == hashlib.sha256(b"two").hexdigest()


async def test_a_folder_in_an_uploaded_name_is_dropped_and_two_of_one_name_are_refused(shelf: Shelf) -> None:
    await shelf.create(name="a")
    with pytest.raises(datasets.InvalidExampleError):
        await shelf.add("a", "input", **{"x/f_txt": b"1", "y\\f_txt": b"2"})
    assert (await shelf.add("a", "input", **{"../../f_txt": b"1"}))[0].path == "input/f.txt"


async def test_a_renamed_file_stays_in_its_folder_and_references_follow(shelf: Shelf) -> None:
    old = "input/in/deep/old.txt"
    document = {"doc": [{"$file": old}, {"$file": "input/other.txt"}], "name": old}
    await shelf.load(_archive("a", document, {"input/in/deep/old.txt": b"o", "input/other.txt": b"p"}))
    renamed = await rename(shelf, "a", "in/deep/old.txt", "new.txt")
    assert renamed.path == "input/in/deep/new.txt"
    example = await shelf.get("a")
    assert example.input == {
        "doc": [{"$file": "input/in/deep/new.txt"}, {"$file": "input/other.txt"}],
        "name": "input/in/deep/old.txt",
    }
    assert datasets.file_of(example, "input", "in/deep/new.txt").sha256 == hashlib.sha256(b"o").hexdigest()


@pytest.mark.parametrize("filename", ["", ".", "..", "a/b", "a\\b", "a\x00", "x" * 300, "\u202ea"])
async def test_a_file_is_renamed_to_plain_names_only(shelf: Shelf, filename: str) -> None:
    await shelf.create(name="a")
    await shelf.add("a", "input", f_txt=b"1")
    with pytest.raises(datasets.InvalidExampleError):
        await rename(shelf, "a", "f.txt", filename)


async def test_a_file_is_not_renamed_over_another_one(shelf: Shelf) -> None:
    await shelf.create(name="a")
    await shelf.add("a", "input", f_txt=b"1", g_txt=b"2")
    with pytest.raises(datasets.ExampleFileExistsError):
        await rename(shelf, "a", "f.txt", "g.txt")
    number = await shelf.number()
    await rename(shelf, "a", "f.txt", "f.txt")
    assert await shelf.number() == number


@pytest.mark.parametrize("path", ["nothing.txt", "", "../input/f.txt", "/f.txt", "f.txt/", "\x00", "\ud800"])
async def test_a_file_that_is_not_there_is_not_found(shelf: Shelf, path: str) -> None:
    await shelf.create(name="a")
    await shelf.add("a", "input", f_txt=b"1")
    with pytest.raises(datasets.ExampleFileNotFoundError):
        await remove(shelf, "a", path)
    with pytest.raises(datasets.ExampleFileNotFoundError):
        datasets.file_of(await shelf.get("a"), "expected", "f.txt")


async def test_bytes_outlive_the_removal_since_older_revisions_need_them(shelf: Shelf) -> None:
    await shelf.create(name="a", input={"doc": {"$file": "input/f.txt"}})
    (file,) = await shelf.add("a", "input", f_txt=b"needed later")
    assert (await remove(shelf, "a", "f.txt")).files == ()
    await shelf.delete("a")
    await shelf.blobs.forget(shelf.database, [file.sha256])
    assert await shelf.blobs.read(file.sha256, 100) == b"needed later"


async def test_an_example_that_expects_an_error_has_no_expected_files(shelf: Shelf) -> None:
    await shelf.create(name="a", expected={"$error": {"code": 404}})
    with pytest.raises(datasets.InvalidExampleError):
        await shelf.add("a", "expected", f_txt=b"1")
    await shelf.create(name="b")
    await shelf.add("b", "expected", f_txt=b"1")
    with pytest.raises(datasets.InvalidExampleError):
        await shelf.update("b", expected={"$error": {"code": 404}})


async def test_a_run_gets_copies_under_its_own_paths(shelf: Shelf) -> None:
    given = {
        "doc": {"$file": "input/some/where/a.pdf"},
        "pages": [{"$file": "input/some/where/a.pdf"}, {"inner": {"$file": "input/b.txt", "filename": "B.csv"}}],
        "n": 1,
    }
    await shelf.load(_archive("a", given, {"input/some/where/a.pdf": b"%PDF", "input/b.txt": b"x"}))
    stored, artifacts = datasets.run_input(await shelf.get("a"))
    pdf = {"filename": "a.pdf", "mimeType": "application/pdf", "size": 4}
    assert stored == {
        "doc": {"$file": "input/doc/a.pdf", **pdf},
        "pages": [
            {"$file": "input/pages/a.pdf", **pdf},
            {"inner": {"$file": "input/pages/B.csv", "filename": "B.csv", "mimeType": "text/plain", "size": 1}},
        ],
        "n": 1,
    }
    assert [(artifact.path, artifact.role) for artifact in artifacts] == [
        ("input/doc/a.pdf", "input"),
        ("input/pages/a.pdf", "input"),
        ("input/pages/B.csv", "input"),
    ]
    assert isinstance(artifacts[0], files.Artifact)


async def test_a_run_names_every_file_that_is_missing(shelf: Shelf) -> None:
    await shelf.create(name="a", input={"doc": {"$file": "input/no.pdf"}, "more": [{"x": {"$file": 7}}]})
    with pytest.raises(datasets.InvalidExampleError) as caught:
        datasets.run_input(await shelf.get("a"))
    assert [(issue.field, issue.code) for issue in caught.value.issues] == [
        ("doc", "file_missing"),
        ("more[0].x", "file_missing"),
    ]


def _archive(name: str, given: object, contents: dict[str, bytes]) -> bytes:
    return packed({f"examples/{name}/input.json": given, **{f"examples/{name}/{p}": c for p, c in contents.items()}})
