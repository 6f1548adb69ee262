"""The HTTP door: translates requests into calls of the areas, and their answers into JSON."""

from assay.api.app import create_app, describe
from assay.api.callers import Server, site_url
from assay.api.errors import STATUS
from assay.api.parameters import only as only_parameters
from assay.api.run_filters import NAMES as RUN_FILTERS
from assay.api.run_filters import read as read_run_filters

__all__ = [
    "RUN_FILTERS",
    "STATUS",
    "Server",
    "create_app",
    "describe",
    "only_parameters",
    "read_run_filters",
    "site_url",
]
