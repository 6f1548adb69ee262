"""Reusable files: uploaded once, named by their id in the input of any number of runs."""

from typing import IO, Any

from assay_client.transport import Transport, segment
from assay_client.uploads import FileSource, Part


class Files:
    """Everything below `/files`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.files`."""
        self._transport = transport

    def upload(self, file: FileSource) -> dict[str, Any]:
        """Store a file; return `{id, filename, contentType, size, createdAt}`. Every call makes another one.

        Raises:
            TooLargeError: the server accepts no file of that size.
            OSError: the file cannot be read.
        """
        return self._transport.request("POST", "/files", parts=[Part("file", file)])

    def get(self, file_id: str) -> dict[str, Any]:
        """Return what is known of a file, without its bytes."""
        return self._transport.request("GET", f"/files/{segment(file_id)}")

    def delete(self, file_id: str) -> dict[str, Any]:
        """Delete a file; runs that used it keep their own copy."""
        return self._transport.request("DELETE", f"/files/{segment(file_id)}")

    def download(self, file_id: str, to: IO[bytes]) -> int:
        """Write the bytes of a file to an open file; return how many."""
        return self._transport.download(f"/files/{segment(file_id)}/content", to)
