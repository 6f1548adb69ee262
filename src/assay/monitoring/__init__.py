"""What is seen of automations in production: health, quality, drift of inputs, judges, alerts."""

from assay.monitoring.alert_rules import AlertRule
from assay.monitoring.alert_store import Alert
from assay.monitoring.alerts import Look, add_alert, list_alerts, preview, remove_alert, watch
from assay.monitoring.dataset_likeness import dataset_likeness, likeness
from assay.monitoring.drifting import drift, input_drift, stability_index, sum_up_inputs, watch_inputs
from assay.monitoring.errors import AlertNotFoundError
from assay.monitoring.estimation import Estimate, estimate
from assay.monitoring.health import Health, bucket_edges, review_health
from assay.monitoring.judging import judge, rogan_gladen
from assay.monitoring.lifecycle import Call, Facts, Lifecycle, Line, Tried, lifecycle, lifecycle_from
from assay.monitoring.live_judging import judge_live_runs, live_judge
from assay.monitoring.model import (
    Backlog,
    Bucket,
    Drawn,
    FeatureDrift,
    InputDay,
    InputDrift,
    Judge,
    JudgeCounts,
    JudgedRuns,
    JudgingPace,
    Likeness,
    LiveJudge,
    Moved,
    Part,
    Point,
    Quality,
    Query,
    Tally,
    Trend,
    UnseenClass,
    UnseenFeature,
)
from assay.monitoring.operations import Failures, Operations, Stretch, operations
from assay.monitoring.operations_store import FailureGroup, Pace, Spending
from assay.monitoring.standing import Standing, standings
from assay.monitoring.store import waiting

__all__ = [
    "Alert",
    "AlertNotFoundError",
    "AlertRule",
    "Backlog",
    "Bucket",
    "Call",
    "Drawn",
    "Estimate",
    "Facts",
    "FailureGroup",
    "Failures",
    "FeatureDrift",
    "Health",
    "InputDay",
    "InputDrift",
    "Judge",
    "JudgeCounts",
    "JudgedRuns",
    "JudgingPace",
    "Lifecycle",
    "Likeness",
    "Line",
    "LiveJudge",
    "Look",
    "Moved",
    "Operations",
    "Pace",
    "Part",
    "Point",
    "Quality",
    "Query",
    "Spending",
    "Standing",
    "Stretch",
    "Tally",
    "Trend",
    "Tried",
    "UnseenClass",
    "UnseenFeature",
    "add_alert",
    "bucket_edges",
    "dataset_likeness",
    "drift",
    "estimate",
    "input_drift",
    "judge",
    "judge_live_runs",
    "lifecycle",
    "lifecycle_from",
    "likeness",
    "list_alerts",
    "live_judge",
    "operations",
    "preview",
    "remove_alert",
    "review_health",
    "rogan_gladen",
    "stability_index",
    "standings",
    "sum_up_inputs",
    "waiting",
    "watch",
    "watch_inputs",
]
