"""`transform.pdf-embed`: makes a scan a PDF whose text can be searched."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay.errors import AssayError
from assay.steps.base import Effect, Step, StepContext
from assay.steps.made_files import kept_file, refused, with_ending


class TransformPdfEmbed(Step):
    """Make a scan a PDF whose text can be searched.

    The words that OCR read are laid over the pages where they stand, invisible. Words that a PDF has as text already
    are not added again. An image becomes a PDF of one page a frame. `fileId` is a file reference, as an input of type
    file is; `wordCount` counts the words that were added, `text` is that of `parseResult`.
    """

    type_name = "transform.pdf-embed"
    # Nothing outside is looked at, but a long document takes seconds.
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "fileId": {"type": "object", "description": "The PDF, as a file reference."},
            "pageCount": {"type": "integer", "minimum": 0},
            "wordCount": {"type": "integer", "minimum": 0},
            "text": {"type": "string"},
        },
    }
    example: ClassVar[str] = """\
name: searchable-pdf
version: 1.0.0
inputs:
  - name: scan
    type: file
    required: false
    default:
      $inline:
        filename: scan.pdf
        mimeType: application/pdf
        base64: >-
          JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+IGVuZG9iagoyIDAgb2JqPDwvVHlwZS9QYWdlcy9L
          aWRzWzMgMCBSXS9Db3VudCAxPj4gZW5kb2JqCjMgMCBvYmo8PC9UeXBlL1BhZ2UvUGFyZW50IDIgMCBSL01lZGlhQm94WzAgMCAy
          MDAgNTBdL0NvbnRlbnRzIDQgMCBSL1Jlc291cmNlczw8L0ZvbnQ8PC9GIDUgMCBSPj4+Pj4+IGVuZG9iago0IDAgb2JqPDwvTGVu
          Z3RoIDM3Pj5zdHJlYW0KQlQgL0YgMTggVGYgMTAgMjAgVGQgKDQwIHJvcGVzKSBUaiBFVAplbmRzdHJlYW0gZW5kb2JqCjUgMCBv
          Ymo8PC9UeXBlL0ZvbnQvU3VidHlwZS9UeXBlMS9CYXNlRm9udC9IZWx2ZXRpY2E+PiBlbmRvYmoKeHJlZgowIDYKMDAwMDAwMDAw
          MCA2NTUzNSBmIAowMDAwMDAwMDA5IDAwMDAwIG4gCjAwMDAwMDAwNTMgMDAwMDAgbiAKMDAwMDAwMDEwMyAwMDAwMCBuIAowMDAw
          MDAwMjEyIDAwMDAwIG4gCjAwMDAwMDAyOTUgMDAwMDAgbiAKdHJhaWxlcjw8L1NpemUgNi9Sb290IDEgMCBSPj4Kc3RhcnR4cmVm
          CjM1NwolJUVPRgo=
steps:
  - name: text
    type: ai.parse
    with:
      input: '{{ input.scan }}'
      parseMode: native-or-ocr
  - name: searchable
    type: transform.pdf-embed
    with:
      input: '{{ input.scan }}'
      parseResult: '{{ steps.text.output }}'
output:
  file: '{{ steps.searchable.output.fileId }}'
  text: '{{ steps.searchable.output.text }}'
"""

    input: JsonValue = Field(description="The PDF or image: a file input of the workflow or a file that a step made.")
    parse_result: dict[str, JsonValue] = Field(
        alias="parseResult",
        description="The output of `ai.parse` for the same file; `words` and `text` of it are used.",
    )
    output_filename: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        alias="outputFilename",
        description="Name of the PDF. That of the input, with `.pdf`, if absent.",
    )
    confidence_threshold: float = Field(
        default=0.7,
        ge=0,
        le=1,
        alias="confidenceThreshold",
        description="Words that OCR is less sure of, from 0 to 1, are left out.",
    )

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    async def run(self, context: StepContext) -> JsonValue:
        file = await context.open_file(self.input)
        words = await context.open_file(self.parse_result.get("words"))
        arguments = {"words": str(words.path.absolute()), "confidence": self.confidence_threshold}
        try:
            made = await context.parser.make(
                "text-layer", arguments, path=file.path, filename=file.filename, content_type=file.content_type
            )
        except AssayError as error:
            raise refused(error) from error
        name = with_ending(self.output_filename or file.filename, ".pdf")
        kept = kept_file(context, name, made.content, content_type="application/pdf")
        counts = {name: made.facts[name] for name in ("pageCount", "wordCount")}
        return {"fileId": kept, **counts, "text": self.parse_result.get("text", "")}
