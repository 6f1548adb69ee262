"""Under which paths the files of a run's input lie, and what its stored input says of them.

The stored input names files as `{"$file": "input/<field>/<name>", "filename", "mimeType", "size"}`,
so that a run keeps working after whatever it was started with is deleted.
"""

from dataclasses import dataclass, field

from pydantic import JsonValue

from assay.files.model import Artifact, Blob
from assay.files.names import content_type_of, safe_filename


@dataclass(slots=True)
class InputFolder:
    """The input files of a run that is about to begin: artifacts by path."""

    artifacts: dict[str, Artifact] = field(default_factory=dict[str, Artifact])

    def add(self, input_field: str, filename: str, content_type: str | None, blob: Blob) -> dict[str, JsonValue]:
        """Add a file under a path that is free, and return the reference to it that the input holds."""
        name = safe_filename(filename)
        path = self._free_path(f"input/{safe_filename(input_field)}", name)
        mime = content_type_of(name, content_type)
        self.artifacts[path] = Artifact(path, name, "input", None, mime, blob.size, blob.sha256)
        return {"$file": path, "filename": name, "mimeType": mime, "size": blob.size}

    def _free_path(self, folder: str, name: str) -> str:
        path, number = f"{folder}/{name}", 2
        while path in self.artifacts:
            path, number = f"{folder}/{number}-{name}", number + 1
        return path
