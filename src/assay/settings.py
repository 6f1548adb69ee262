"""What the environment and the command line say. The only module that reads the environment."""

import os
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assay.errors import InvalidValueError


class Settings(BaseSettings):
    """Every setting of the server, read from `ASSAY_<NAME>`; sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    data_dir: Path = Field(default=Path(".assay"), description="Folder of everything that is not configured elsewhere.")
    database_url: str | None = Field(
        default=None,
        description="Your own PostgreSQL (`postgresql://…`). Unset: an embedded one under the data folder.",
    )
    storage_url: str | None = Field(
        default=None, description="Where blobs lie: `s3://`, `gs://`, `az://` or `file://`. Unset: the data folder."
    )
    secret_key: str | None = Field(
        default=None, description="Key that encrypts stored secrets. Unset: a key file in the data folder."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#@\s]+$",
        description="Where people reach this server, such as `https://assay.example.org`: for invitations, for the way "
        "back from a sign-in provider, and for cookies that TLS alone may carry. Unset: what a request says.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks of the proxies in front, separated by commas, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed. Unset: none are, and all who come through one share its limit of failed "
        "sign-ins.",
    )

    oidc_issuer: str | None = Field(
        default=None, description="Provider that people may sign in by (OpenID Connect), exactly as it calls itself."
    )
    oidc_client_id: str | None = Field(
        default=None, pattern=r"^[\x20-\x7e]+$", description="What this server is called there."
    )
    oidc_client_secret: str | None = Field(
        default=None,
        pattern=r"^[\x20-\x7e]+$",
        repr=False,
        description="The secret of that client. Unset: it is a public one.",
    )
    oidc_name: str = Field(
        default="single sign-on", min_length=1, max_length=60, description="Name of the provider on the sign-in page."
    )
    oidc_domains: str = Field(
        default="",
        description="Domains of e-mail addresses whose people need no invitation, separated by commas. Unset: none.",
    )
    oidc_role: Literal["member", "reviewer"] = Field(default="member", description="Role of whoever is let in so.")
    oidc_allow: str = Field(
        default="",
        description="Hosts of the provider that may have a private address and do without TLS, written like "
        "`ASSAY_OUTGOING_ALLOW`. Runs do not get at them by it.",
    )

    model: str | None = Field(
        default=None, description="Model for organizations that have no provider of their own. Unset: they have none."
    )
    model_url: str | None = Field(
        default=None, description="OpenAI-compatible server with that model. Unset: `https://api.openai.com/v1`."
    )
    model_key_variable: str | None = Field(
        default=None, description="Environment variable with its key, such as `OPENAI_API_KEY`. Unset: it wants none."
    )

    max_body_bytes: int = Field(default=100 * 1024**2, description="Largest request body.")
    max_json_bytes: int = Field(default=10 * 1024**2, description="Largest JSON body or JSON part.")
    max_wait_seconds: int = Field(
        default=50, description="Longest time a request is held for a run; the published client gives up after 60."
    )
    rate_limit_per_minute: int = Field(default=60_000, description="Requests a minute and API key; 0 means no limit.")
    list_timeout_seconds: float = Field(
        default=5.0, gt=0, description="Longest the database may search for a page of runs; then the answer is 503."
    )
    database_connections: int = Field(default=12, description="Connections a process keeps to the database at most.")

    worker_concurrency: int = Field(default=32, ge=2, description="Runs that one worker process works on at once.")
    worker_grace_seconds: float = Field(
        default=20.0,
        description="How long a worker that was told to stop lets its runs go on before it hands them back.",
    )
    heartbeat_seconds: float = Field(
        default=10.0, ge=1.0, description="A worker silent for this long has lost its runs to the others."
    )
    run_timeout_seconds: float = Field(default=3600.0, description="Longest a run may take.")
    step_timeout_seconds: float = Field(default=600.0, description="Longest a step may take that says nothing else.")
    parse_children: int = Field(default=2, ge=1, description="Processes of one worker that parse documents.")
    ocr_children: int = Field(default=1, ge=1, description="Processes of one worker that recognise text (0.9 GB each).")
    script_max_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="Longest time that a script may be allowed (`timeout`)."
    )
    script_max_memory_mb: int = Field(
        default=50, ge=1, le=2048, description="Most memory that a script may be allowed (`memoryLimit`), in MiB."
    )
    outgoing_allow: str = Field(
        default="",
        description="Hosts that steps may call although their address is private: `host`, `host:port`, `*.domain` or "
        "`[v6]:port`, separated by commas. All public addresses may be called.",
    )
    smtp_url: str | None = Field(
        default=None,
        description="Mail server that `action.email` sends by: `smtp://user:password@host:port`; `smtps://…` where "
        "TLS comes first, `smtp+starttls://…` where nothing may be sent without it. Unset: no e-mail can be sent.",
    )
    smtp_from: str | None = Field(default=None, description="Address that e-mail comes from.")
    log_level: str = Field(
        default="INFO", pattern="(?i)^(debug|info|warning|error)$", description="DEBUG, INFO, WARNING or ERROR."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, written: str) -> str:
        for part in filter(None, (part.strip() for part in written.split(","))):
            ip_network(part)
        return written


def client_environment() -> tuple[str | None, str | None]:
    """Return base URL and API key for the client commands: `ASSAY_…`, else `EIGENPAL_…`."""
    base_url = os.environ.get("ASSAY_BASE_URL") or os.environ.get("EIGENPAL_BASE_URL")
    api_key = os.environ.get("ASSAY_API_KEY") or os.environ.get("EIGENPAL_API_KEY")
    return base_url, api_key


def script_caps() -> tuple[float, int]:
    """Return how many seconds and MiB one script may be allowed; cheap, since every script that runs asks.

    Raises:
        InvalidValueError: a setting is none.
    """
    # Workflows are checked without a server too, where nobody has read the settings.
    return _script_caps(os.environ.get("ASSAY_SCRIPT_MAX_SECONDS"), os.environ.get("ASSAY_SCRIPT_MAX_MEMORY_MB"))


@lru_cache(maxsize=8)
def _script_caps(*_written: str | None) -> tuple[float, int]:
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = f"ASSAY_{str(first['loc'][0]).upper()}: {first['msg']}."
        raise InvalidValueError(message) from error
    return settings.script_max_seconds, settings.script_max_memory_mb


def debugging() -> bool:
    """Tell whether a command that fails is to show where (`ASSAY_DEBUG=1`)."""
    return os.environ.get("ASSAY_DEBUG") == "1"


def demo_exits() -> bool:
    """Tell whether the demo is to stop at its end, on a terminal too (`DEMO_EXIT=1`)."""
    return os.environ.get("DEMO_EXIT") == "1"


def environment_value(name: str) -> str | None:
    """Return what a provider's key variable holds; our own settings are nobody's provider key."""
    return None if name.startswith("ASSAY_") else os.environ.get(name)


def environment_without_settings() -> dict[str, str]:
    """Return the environment for a process that is to know nothing of the settings in ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
