"""How several commands take the same options: they are written down once, as the parameters of a function."""

from collections.abc import Callable
from functools import wraps
from inspect import Signature, signature
from typing import Any

Command = Callable[..., None]


def takes(read: Callable[..., Any], name: str) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options of `read`; its parameter `name` is what that returns."""

    def decorate(command: Command) -> Command:
        options, own = signature(read).parameters, signature(command).parameters

        @wraps(command)
        def with_options(**given: Any) -> None:
            found = read(**{option: given.pop(option) for option in options})
            command(**{name: found}, **given)

        positional = [one for one in own.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
        named = [one for one in own.values() if one.kind is one.KEYWORD_ONLY and one.name != name]
        parameters = sorted([*positional, *options.values(), *named], key=lambda one: one.kind)
        # What Typer reads instead of the signature, and what `wraps` would lead it to.
        with_options.__signature__ = Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue] (PEP 362)
        with_options.__annotations__ = {one.name: one.annotation for one in parameters}
        del with_options.__wrapped__
        return with_options

    return decorate
