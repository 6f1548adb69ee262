"""One execution of an exact version: starting, waiting, reading, cancelling, repeating, removing."""

from assay.engine import RunStatus
from assay.runs.acting_on_many import Acted, Actionable, RunAction, act_on, actionable
from assay.runs.activity import daily_runs
from assay.runs.batches import ExampleStart, create_batch
from assay.runs.cancelling import cancel
from assay.runs.comparison import Difference, StepComparison, compare_steps, differences
from assay.runs.deletion import delete_expired, delete_run
from assay.runs.errors import (
    ApiTriggerDisabledError,
    AutomationDisabledError,
    IdempotencyConflictError,
    InvalidCursorError,
    ManualTriggerDisabledError,
    RunNotFinishedError,
    RunNotFoundError,
    RunUnderReviewError,
)
from assay.runs.execution import Executor
from assay.runs.features import Confidence, FeatureGroup, Features, source_in
from assay.runs.input_files import InvalidFileReferenceError, Upload
from assay.runs.listing import list_runs
from assay.runs.model import (
    SYSTEM,
    Chosen,
    Failure,
    Person,
    RunDetail,
    RunFilters,
    RunInput,
    RunMode,
    RunPage,
    RunSummary,
    Standing,
    TriggerType,
    sample_rank,
)
from assay.runs.overrides import StepOverride, override_sheet
from assay.runs.rerunning import rerun, run_to_repeat
from assay.runs.starting import IdempotencyKey, StartRequest, check_trigger, new_run_id, replayed, start
from assay.runs.step_context import Ended, Grader, Sampler, Services
from assay.runs.store import count_in_flight, feature_groups, forget_old_idempotency_keys, get, get_input
from assay.runs.timeline import Event, timeline
from assay.runs.workflow_execution import TimeLimits

__all__ = [
    "SYSTEM",
    "Acted",
    "Actionable",
    "ApiTriggerDisabledError",
    "AutomationDisabledError",
    "Chosen",
    "Confidence",
    "Difference",
    "Ended",
    "Event",
    "ExampleStart",
    "Executor",
    "Failure",
    "FeatureGroup",
    "Features",
    "Grader",
    "IdempotencyConflictError",
    "IdempotencyKey",
    "InvalidCursorError",
    "InvalidFileReferenceError",
    "ManualTriggerDisabledError",
    "Person",
    "RunAction",
    "RunDetail",
    "RunFilters",
    "RunInput",
    "RunMode",
    "RunNotFinishedError",
    "RunNotFoundError",
    "RunPage",
    "RunStatus",
    "RunSummary",
    "RunUnderReviewError",
    "Sampler",
    "Services",
    "Standing",
    "StartRequest",
    "StepComparison",
    "StepOverride",
    "TimeLimits",
    "TriggerType",
    "Upload",
    "act_on",
    "actionable",
    "cancel",
    "check_trigger",
    "compare_steps",
    "count_in_flight",
    "create_batch",
    "daily_runs",
    "delete_expired",
    "delete_run",
    "differences",
    "feature_groups",
    "forget_old_idempotency_keys",
    "get",
    "get_input",
    "list_runs",
    "new_run_id",
    "override_sheet",
    "replayed",
    "rerun",
    "run_to_repeat",
    "sample_rank",
    "source_in",
    "start",
    "timeline",
]
