"""What happened inside a run: its step records, and the events its own row cannot tell."""

from assay.traces.model import NotedEvent, StepTrace
from assay.traces.store import list_events, list_steps

__all__ = ["NotedEvent", "StepTrace", "list_events", "list_steps"]
