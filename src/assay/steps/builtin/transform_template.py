"""`transform.template`: fills in a DOCX or XLSX template."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, JsonValue
from typing_extensions import override

from assay import files
from assay.errors import AssayError
from assay.steps.base import Effect, Step, StepContext
from assay.steps.made_files import kept_file, refused, with_ending

_TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class TransformTemplate(Step):
    """Fill in a DOCX or XLSX template.

    The template is a file beside workflow.yaml, named by its path (`templates/letter.docx`), or any file of the run.
    Placeholders are those of Jinja: `{{ customer.name }}`, and in DOCX `{% for line in lines %}` and `{% if … %}` too,
    `{%tr … %}` for rows of a table and `{%p … %}` for paragraphs (as in docxtpl). A cell of a workbook that is one
    placeholder gets the value with its type; formulas stay as they are. A value that `data` lacks, or that is null
    there, shows as `notFoundText`. Placeholders reach the data only: no files, no commands, no other templates.
    `fileId` is a file reference, as an input of type file is; `missingCount` says how often a value was missing.
    """

    type_name = "transform.template"
    # Nothing outside is looked at, but a long document takes seconds.
    effect = Effect.READ
    output_schema: ClassVar[Mapping[str, Any] | None] = {
        "type": "object",
        "properties": {
            "fileId": {"type": "object", "description": "The document, as a file reference."},
            "missingCount": {"type": "integer", "minimum": 0},
        },
    }
    example: ClassVar[str] = """\
name: filled-in-sheet
version: 1.0.0
inputs:
  - name: form
    type: array
    required: false
    default: [[Customer, '{{ customer }}'], [Total, '{{ total }}'], [Order, '{{ order }}']]
steps:
  - name: form
    type: transform.json-to-xlsx
    with:
      filename: form.xlsx
      rows: '{{ input.form }}'
  - name: filled
    type: transform.template
    with:
      template: '{{ steps.form.output.fileId }}'
      data:
        customer: Ada
        total: 800
      outputFilename: invoice.xlsx
output:
  file: '{{ steps.filled.output.fileId }}'
  missing: '{{ steps.filled.output.missingCount }}'
"""

    template: JsonValue = Field(
        description="The template: the path of a file beside workflow.yaml, which `assay workflow push` sends along; "
        "else a file input of the workflow or a file that a step made."
    )
    data: dict[str, JsonValue] = Field(description="What the placeholders can name, each key written out.")
    output_filename: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        alias="outputFilename",
        description="Name of the document. That of the template if absent.",
    )
    highlight_not_found: bool = Field(
        default=True, alias="highlightNotFound", description="Whether missing values have a yellow background."
    )
    not_found_text: str = Field(
        default="NOT FOUND", max_length=1000, alias="notFoundText", description="What shows where a value is missing."
    )

    @property
    @override
    def replay_safe(self) -> bool:
        return True

    @override
    def problems(self) -> Sequence[tuple[str, str, str]]:
        if not isinstance(self.template, str) or _is_path(self.template):
            return []
        message = (
            "A template is named by its path beside workflow.yaml, such as templates/letter.docx: relative, "
            "without `.`, `..` or backslashes. Files elsewhere are given as an input of type file."
        )
        return [("template", message, "file_required")]

    @classmethod
    @override
    def named_files(cls, config: Mapping[str, JsonValue]) -> Sequence[tuple[str, str]]:
        template = config.get("template")
        if not isinstance(template, str) or "{{" in template or "{%" in template or not _is_path(template):
            return []
        return [("template", template)]

    @override
    async def run(self, context: StepContext) -> JsonValue:
        if isinstance(self.template, str):
            file = await context.open_version_file(self.template)
        else:
            file = await context.open_file(self.template)
        arguments = {"data": self.data, "missing": self.not_found_text, "highlight": self.highlight_not_found}
        try:
            made = await context.parser.make(
                "form", arguments, path=file.path, filename=file.filename, content_type=file.content_type
            )
        except AssayError as error:
            raise refused(error) from error
        ending = str(made.facts["format"])
        name = with_ending(self.output_filename or file.filename, f".{ending}")
        kept = kept_file(context, name, made.content, content_type=_TYPES[ending])
        return {"fileId": kept, "missingCount": made.facts["missingCount"]}


def _is_path(text: str) -> bool:
    try:
        files.safe_path(text)
    except files.InvalidArtifactPathError:
        return False
    return True
