"""Which keys a workflow file has, and of what type each is."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

TIMEOUT_CEILING_MS = 24 * 60 * 60 * 1000

Milliseconds = Annotated[int, Field(gt=0, le=TIMEOUT_CEILING_MS)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WorkflowShape(_Shape):
    """The top level of the file."""

    name: str
    kind: Literal["workflow"] = "workflow"
    version: str = "1.0.0"
    description: str | None = None
    enabled: bool = True
    triggerMethods: list[Any] = Field(default_factory=list[Any])  # noqa: N815 - a key of the file
    inputs: list[Any] = Field(default_factory=list[Any])
    steps: list[Any] = Field(min_length=1)
    output: dict[str, JsonValue] | str | None = None
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])
    defaultModel: str | None = None  # noqa: N815 - a key of the file


class StepShape(_Shape):
    """What every step has; control steps have their configuration beside these keys, all others under `with`."""

    type: str
    name: str
    description: str | None = None
    condition: JsonValue = Field(default=None, alias="if")
    timeout: Milliseconds | None = None
    retry: Any = None
    config: dict[str, Any] = Field(default_factory=dict[str, Any], alias="with")


class InputShape(_Shape):
    """One declared input."""

    name: str = Field(min_length=1, max_length=128)
    type: str
    description: str | None = None
    required: bool = True
    default: JsonValue = None
    values: list[str | int | float | bool] | None = Field(default=None, min_length=1)
    items: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class NestedShape(_Shape):
    """What an array holds, or a property of an object."""

    type: str
    description: str | None = None
    required: bool = True
    values: list[str | int | float | bool] | None = Field(default=None, min_length=1)
    items: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class TriggerShape(_Shape):
    """One way to start runs, in its long form."""

    type: Literal["manual", "api", "email", "cron"]
    enabled: bool = True
    inputSchema: dict[str, Any] | None = None  # noqa: N815 - a key of the file
    whitelist: dict[str, Any] | None = None
    cron: dict[str, Any] | None = None


class SettingsShape(_Shape):
    """What holds for every step of the workflow."""

    timeout: Milliseconds | None = None
    retry: Any = None
    retries: Any = None
    retryDelay: Any = None  # noqa: N815 - a key of the file


class RetryShape(_Shape):
    """When a failed step is tried again, in its long form."""

    mode: Literal["automatic", "never", "inherit"]
    maxAttempts: int | None = Field(default=None, ge=1, le=10)  # noqa: N815 - a key of the file
