"""Durable execution: queue, claim, fence, checkpoint, redelivery. Knows nothing of automations."""

from assay.engine.cancelling import CancelAnswer, cancel_batch, request_cancel, unfinished_of_batch
from assay.engine.claiming import hold
from assay.engine.journal import Journal
from assay.engine.listening import Listener
from assay.engine.model import (
    FINISHED,
    TRANSITIONS,
    Attachment,
    Cancelled,
    Claim,
    Completed,
    Draw,
    Failed,
    Outcome,
    RunStatus,
    StepRecord,
    StepStatus,
    SupersededError,
    Suspended,
)
from assay.engine.noting import note_event
from assay.engine.progress import RUNS_CHANNEL
from assay.engine.queue import admit, enqueue, entrypoint_for
from assay.engine.waiting import Waiter, WaitingRoom
from assay.engine.worker import Chore, Handler, Worker, WorkerLimits

__all__ = [
    "FINISHED",
    "RUNS_CHANNEL",
    "TRANSITIONS",
    "Attachment",
    "CancelAnswer",
    "Cancelled",
    "Chore",
    "Claim",
    "Completed",
    "Draw",
    "Failed",
    "Handler",
    "Journal",
    "Listener",
    "Outcome",
    "RunStatus",
    "StepRecord",
    "StepStatus",
    "SupersededError",
    "Suspended",
    "Waiter",
    "WaitingRoom",
    "Worker",
    "WorkerLimits",
    "admit",
    "cancel_batch",
    "enqueue",
    "entrypoint_for",
    "hold",
    "note_event",
    "request_cancel",
    "unfinished_of_batch",
]
