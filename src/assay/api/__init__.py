"""The HTTP door: translates requests into calls of the areas, and their answers into JSON."""

from assay.api.app import create_app
from assay.api.callers import Server

__all__ = ["Server", "create_app"]
