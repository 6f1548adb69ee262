"""Client of an assay server.

with Client(api_key="asy_…") as client:
    run = client.runs.start("workflows.invoice-fields", files={"document": Path("invoice.pdf")}, wait_seconds=30)
    print(run["output"])
"""

from assay_client.automations import Automations, Limits
from assay_client.beside import FileBesideError, read_beside, write_beside
from assay_client.client import DEFAULT_BASE_URL, Client
from assay_client.comparisons import Order
from assay_client.datasets import Datasets
from assay_client.errors import (
    ApiError,
    AssayClientError,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidArgumentError,
    InvalidBaseUrlError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TooLargeError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from assay_client.examples import Examples
from assay_client.experiments import Experiments
from assay_client.feedback import Feedback
from assay_client.files import Files
from assay_client.keys import Keys
from assay_client.providers import Providers
from assay_client.runs import Runs
from assay_client.uploads import FileSource, Upload

__all__ = [
    "DEFAULT_BASE_URL",
    "ApiError",
    "AssayClientError",
    "Automations",
    "Client",
    "ConflictError",
    "ConnectionFailedError",
    "Datasets",
    "Examples",
    "Experiments",
    "Feedback",
    "FileBesideError",
    "FileSource",
    "Files",
    "ForbiddenError",
    "InvalidArgumentError",
    "InvalidBaseUrlError",
    "InvalidRequestError",
    "Keys",
    "Limits",
    "NotFoundError",
    "Order",
    "Providers",
    "RateLimitedError",
    "Runs",
    "ServerError",
    "TooLargeError",
    "UnauthenticatedError",
    "UnexpectedAnswerError",
    "Upload",
    "WaitTimeoutError",
    "read_beside",
    "write_beside",
]
