"""How templates meet data: what keeps its type, what becomes text, and what a condition decides."""

from collections.abc import Mapping
from typing import NoReturn

from liquid.exceptions import LiquidError, LiquidInterrupt, ResourceLimitError, UndefinedError
from pydantic import JsonValue

from assay.expressions.errors import TemplateError, TemplateLimitError
from assay.expressions.language import Template, compile_template, is_template, snippet
from assay.expressions.limits import MAX_DATA_DEPTH
from assay.expressions.scope import MissingError, Scope, find_bare
from assay.expressions.values import is_truthy, plain

_GUARD = 'Check the spelling, or guard it with `| default: "…"`.'


def resolve(value: JsonValue, scope: Mapping[str, JsonValue]) -> JsonValue:
    """Replace the templates in a value, however deep they stand, by what they give.

    A text that is exactly one `{{ expression }}` (blanks around it do not count) becomes the expression's value
    with its type, and the very object where it is part of `scope`; any other template becomes text; all else,
    and the keys of objects, stays as it is. Lists and objects come back as new ones. `env` is an empty object unless
    `scope` has one. Nothing in `scope` is changed, and the same call gives the same result.

    Raises:
        TemplateSyntaxError: a template is not written correctly.
        TemplateLimitError: a template is too large or does too much, or the value is nested deeper than 100.
        TemplateError: a template reads what is not there, or a filter cannot take what it is given.
    """
    return _resolve(value, scope, "", 0)


def is_true(source: str | bool, scope: Mapping[str, JsonValue]) -> bool:
    """Decide a condition.

    One `{{ expression }}` counts as in Liquid: only nil, false and what is missing are false; 0, "" and
    the texts "true" and "false" are true. Any other text must come out as `true` or `false`; a boolean is itself.

    Raises:
        TemplateSyntaxError: the condition is not written correctly.
        TemplateLimitError: it is too large or does too much.
        TemplateError: it comes out as a text that is neither `true` nor `false`, or a filter cannot take
            what it is given.
    """
    if isinstance(source, bool):
        return source
    if not is_template(source):
        return _spelled(source, source)
    template = compile_template(source)
    result = _evaluate(template, scope, "", lenient=True)
    return is_truthy(result) if template.value is not None else _spelled(str(result), source)


def _spelled(text: str, source: str) -> bool:
    word = text.strip()
    if word in {"true", "false"}:
        return word == "true"
    msg = f"a condition must be one {{{{ expression }}}}, or come out as true or false, not {word[:40]!r}"
    raise TemplateError(msg, expression=source[:200])


def _resolve(value: JsonValue, scope: Mapping[str, JsonValue], path: str, depth: int) -> JsonValue:
    if isinstance(value, str):
        return _evaluate(compile_template(value), scope, path) if is_template(value) else value
    if not isinstance(value, dict | list):
        return value
    if depth == MAX_DATA_DEPTH:
        msg = f"the value is nested deeper than {MAX_DATA_DEPTH}"
        raise TemplateLimitError(msg, path=path)
    if isinstance(value, list):
        return [_resolve(item, scope, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    start = f"{path}." if path else ""
    return {key: _resolve(item, scope, f"{start}{key}", depth + 1) for key, item in value.items()}


def _evaluate(template: Template, data: Mapping[str, JsonValue], path: str, *, lenient: bool = False) -> JsonValue:
    try:
        if template.names is not None:
            return find_bare(data, template.names)
        scope = Scope(template.bound, data, lenient=lenient)
        if template.value is not None:
            return plain(scope.present(template.value.evaluate(scope)))
        return _render(template, scope)
    except MissingError as error:
        if lenient:
            return None
        msg = f"{error.name} is undefined in {template.source.strip()[:200]}"
        raise TemplateError(msg, expression=template.source.strip()[:200], path=path, hint=_GUARD) from None
    except (LiquidError, RecursionError, ValueError, ArithmeticError) as error:
        _fail(error, template, path)


def _render(template: Template, scope: Scope) -> str:
    buffer = scope.get_buffer()
    try:
        for node in template.bound.nodes:
            node.render(scope, buffer)
    except LiquidInterrupt as error:
        msg = f"{error} stands outside of a loop"
        raise TemplateError(msg, expression=template.source[:200]) from None
    return buffer.getvalue()


def _fail(error: Exception, template: Template, path: str) -> NoReturn:
    """Raise what went wrong in our own terms."""
    expression = snippet(template.source, error) if isinstance(error, LiquidError) else template.source.strip()[:200]
    message = f"{error.message if isinstance(error, LiquidError) else error} in {expression}"
    if isinstance(error, ResourceLimitError | RecursionError):
        raise TemplateLimitError(message, expression=expression, path=path) from error
    hint = _GUARD if isinstance(error, UndefinedError) else None
    raise TemplateError(message, expression=expression, path=path, hint=hint) from error
