"""`assay automations operations`: how an automation runs, on one screen."""

from assay.cli import output
from assay.cli.answers import Json, items, part
from assay.cli.connection import automation_ref, connect
from assay.cli.options import AsJson, AutomationName, BaseUrl, Bucket, Since, Until


def operations(
    automation: AutomationName,
    *,
    since: Since = None,
    until: Until = None,
    bucket: Bucket = "day",
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell how an automation runs: failures by code and by step, latency and cost. The last 30 days, unless told."""
    with connect(base_url) as client:
        found = client.monitoring.operations(automation_ref(automation), from_=since, to=until, bucket=bucket)
    if as_json:
        output.print_json(found)
        return
    overall, failures = part(found, "overall"), part(found, "failures")
    output.print_fields(
        {
            "runs looked at": overall["lookedAt"],
            "failed": overall["failed"],
            "half take up to": output.duration_cell(part(overall, "latencyMs")["p50"]),
            "95 % take up to": output.duration_cell(part(overall, "latencyMs")["p95"]),
        }
    )
    for title, name in (("code", "byCode"), ("step", "byStep")):
        if items(failures, name):
            output.print_heading(f"Failures by {title}")
            rows = [
                (
                    one["name"] or "none",
                    one["count"],
                    output.moment_cell(one["lastAt"]),
                    next(iter(one["runIds"]), None),
                )
                for one in items(failures, name)
            ]
            output.print_rows((title, "runs", "last", "for example"), rows)
    output.print_heading("Over time")
    rows = [_row(one) for one in items(found, "buckets") if one["lookedAt"]]
    output.print_rows(("from", "looked at", "failed", "half up to", "95 % up to", "US dollars"), rows)


def _row(bucket: Json) -> tuple[output.Value, ...]:
    latency, cost = part(bucket, "latencyMs"), part(bucket, "cost")["usd"]
    return (
        bucket["start"][:10],
        bucket["lookedAt"],
        bucket["failed"],
        output.duration_cell(latency["p50"]),
        output.duration_cell(latency["p95"]),
        None if cost is None else output.Cell(cost, f"{cost:.4f}"),
    )
