"""Which server a command talks to, and with which key."""

from assay import settings
from assay.cli.failure import ExitCode, Failure
from assay_client import DEFAULT_BASE_URL, Client


def connect(base_url: str | None) -> Client:
    """Return a client for `--base-url`, else the environment's server, else the one on this machine.

    Raises:
        Failure: no API key is set.
        InvalidBaseUrlError: the address is no http(s) URL.
    """
    found_url, api_key = settings.client_environment()
    if not api_key:
        raise Failure(
            "No API key is set.",
            hint="export ASSAY_API_KEY=$(assay keys create --name me --data-dir <the server's folder>)",
            exit_code=ExitCode.MISUSED,
        )
    return Client(base_url or found_url or DEFAULT_BASE_URL, api_key, trigger="cli")


def automation_ref(name: str) -> str:
    """Complete a bare name to `workflows.<name>`; ids and complete names stay as they are."""
    return name if "." in name or name.startswith("wf_") else f"workflows.{name}"
