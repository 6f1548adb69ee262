"""What a label is, for the steps that let a model choose among labels."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field


class Label(BaseModel):
    """A label that the model may choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, description="The label as the output gives it.")
    description: str = Field(default="", max_length=5_000, description="What it is for; the model reads it.")


def listed(labels: Sequence[Label]) -> str:
    """Write labels as lines that a model reads."""
    return "\n".join(
        f"- {label.name}: {label.description}" if label.description else f"- {label.name}" for label in labels
    )


def repeated_name(names: Sequence[str]) -> str | None:
    """Return the first name that stands there twice."""
    return next((name for index, name in enumerate(names) if name in names[:index]), None)
