import hashlib
import random
import re
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from typing_extensions import override

from assay import files
from assay.db import Database
from assay.files import Blobs

ORGANIZATION = "org_bucket"
LONG_AGO = "2020-01-01T00:00:00.000Z"


class Bucket(ThreadingHTTPServer):
    """As much of S3 as the store uses, in memory; every object is years old."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, bytes] = {}
        self.writes = 0
        self.broken = False


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def bucket(self) -> Bucket:
        assert isinstance(self.server, Bucket)
        return self.server

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path)

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(500 if self.bucket.broken else status)
        self.send_header("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
        self.send_header("ETag", '"e"')
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_PUT(self) -> None:
        content = self.body()
        self.bucket.writes += 1
        if "partNumber" in self.query:
            self.bucket.parts[self.query["partNumber"][0].zfill(5)] = content
        else:
            self.bucket.objects[self.key] = content
        self.answer(200)

    def do_GET(self) -> None:
        if "list-type" in self.query:
            return self.answer(200, self.listing())
        found = self.bucket.objects.get(self.key)
        return self.answer(404) if found is None else self.answer(200, found)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.bucket.objects.pop(self.key, None)
        self.answer(204)

    def do_POST(self) -> None:
        body = self.body().decode()
        if "uploads" in self.query:
            self.answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        elif "uploadId" in self.query:
            self.bucket.objects[self.key] = b"".join(part for _, part in sorted(self.bucket.parts.items()))
            self.answer(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
        else:
            keys = re.findall(r"<Key>(.*?)</Key>", body)
            for key in keys:
                self.bucket.objects.pop(f"/bucket/{key}", None)
            deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def listing(self) -> bytes:
        entries = "".join(
            f"<Contents><Key>{key.removeprefix('/bucket/')}</Key><Size>{len(content)}</Size>"
            f'<LastModified>{LONG_AGO}</LastModified><ETag>"e"</ETag></Contents>'
            for key, content in self.bucket.objects.items()
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Generator[Bucket]:
    server = Bucket()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def blobs(bucket: Bucket, tmp_path: Path) -> Blobs:
    return Blobs.open("s3://bucket/some/prefix", tmp_path)


@pytest.mark.parametrize("size", [20_000, 12_000_000])
async def test_a_bucket_gives_back_what_was_kept(
    database: Database, bucket: Bucket, blobs: Blobs, tmp_path: Path, size: int
) -> None:
    content = random.Random(size).randbytes(size)
    sha256 = hashlib.sha256(content).hexdigest()
    async with database.transaction() as tx:
        assert await blobs.keep_bytes(tx, content) == files.Blob(sha256, size)
    assert list(bucket.objects) == [f"/bucket/some/prefix/{sha256[:2]}/{sha256}"]
    assert await blobs.read(sha256, limit=size) == content
    assert b"".join([piece async for piece in await blobs.stream(sha256)]) == content
    await blobs.fetch_to(sha256, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert list((tmp_path / "spool").iterdir()) == []


async def test_equal_bytes_are_sent_once(database: Database, bucket: Bucket, blobs: Blobs) -> None:
    for _ in range(2):
        async with database.transaction() as tx:
            await blobs.keep_bytes(tx, b"same")
    assert bucket.writes == 1


async def test_the_sweep_of_a_bucket_spares_what_has_a_row(database: Database, bucket: Bucket, blobs: Blobs) -> None:
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO organizations (id, slug, name) VALUES ($1, $1, $1)", ORGANIZATION)
        await blobs.keep_bytes(tx, b"no row")
        blob = await blobs.keep_bytes(tx, b"a row")
        await files.create(
            tx,
            organization_id=ORGANIZATION,
            filename="a",
            content_type=None,
            blob=blob,
            purpose=None,
            created_by=None,
        )
    bucket.objects["/bucket/some/prefix/of/somebody/else"] = b"not ours"
    assert await blobs.sweep(database) == 1
    assert list(bucket.objects.values()) == [b"a row", b"not ours"]


async def test_missing_bytes_are_told(bucket: Bucket, blobs: Blobs) -> None:
    with pytest.raises(files.BlobMissingError):
        await blobs.read("0" * 64, limit=10)


async def test_a_check_leaves_the_bucket_as_it_was(bucket: Bucket, blobs: Blobs) -> None:
    await blobs.check()
    assert bucket.writes == 1
    assert bucket.objects == {}


async def test_a_bucket_that_refuses_is_named_with_its_setting(bucket: Bucket, blobs: Blobs) -> None:
    bucket.broken = True
    with pytest.raises(files.StorageUnavailableError, match="ASSAY_STORAGE_URL"):
        await blobs.check()
