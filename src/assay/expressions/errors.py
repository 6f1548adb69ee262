"""What can be wrong with a template: its grammar, its data, or its size."""

from assay.errors import AssayError, Issue


class TemplateError(AssayError):
    """A template could not be resolved.

    `expression` is the source text that failed; `path` says where in the resolved value it stands
    (`fields.total`, `items[2]`, empty for the value itself); `line` and `column` count from 1 within the
    template text and are None where the place is not known.
    """

    code = "template_resolution_failed"

    def __init__(
        self,
        message: str,
        *,
        expression: str = "",
        path: str = "",
        hint: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """Keep what failed and where."""
        self.expression = expression
        self.path = path
        self.line = line
        self.column = column
        field = path or "<root>"
        issue = Issue(field, message, self.code, hint=hint, line=line, column=column)
        super().__init__(message, field=field, hint=hint, issues=[issue])


class TemplateSyntaxError(TemplateError):
    """A template is not written correctly."""

    code = "template_syntax"


class TemplateLimitError(TemplateError):
    """A template is too large, or does more than one template may do."""

    code = "template_limit"
