"""What happened inside a run: its step records, and the events its own row cannot tell."""

from assay.traces.model import NotedEvent, StepTrace
from assay.traces.store import get_step, list_events, list_steps, outline

__all__ = ["NotedEvent", "StepTrace", "get_step", "list_events", "list_steps", "outline"]
