"""Template expressions in workflow files: LiquidJS's language on python-liquid, typed, strict and bounded.

Values are strict: what is missing raises, unless `default` guards it or it is compared with nil, empty or
blank. Conditions (`is_true`, the `if`, `unless` and `elsif` tags, the `…_exp` filters) are lenient as in
LiquidJS: what is missing counts as nil, and only nil and false are false, so 0, "" and the strings "true" and
"false" are true.

Where this differs from LiquidJS on purpose: an object in a text is written as JSON; decimals are computed exactly
(`0.1 | plus: 0.2` is 0.3); text that is no number does not count as 0 but raises; `to_integer` truncates;
`truncatewords` adds its dots only when words were cut; conditions may be grouped with parentheses; "now" is refused,
because the same run must give the same answer when it is replayed; times without a zone are UTC. Tags that load files
(include, render, layout) or write tables (tablerow), and the `sample` filter, do not exist.
"""

from assay.expressions.analysis import Reference, check, references
from assay.expressions.errors import TemplateError, TemplateLimitError, TemplateSyntaxError
from assay.expressions.evaluation import is_true, resolve

__all__ = [
    "Reference",
    "TemplateError",
    "TemplateLimitError",
    "TemplateSyntaxError",
    "check",
    "is_true",
    "references",
    "resolve",
]
