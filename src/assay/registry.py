"""Finds every member of a family (step types, evaluators, providers) by looking in its folder."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar

Member = TypeVar("Member")


def members_of(package: ModuleType, base: type[Member]) -> Iterator[type[Member]]:
    """Import every module of the package, in name order, and yield the subclasses of `base` each defines."""
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
                yield value
