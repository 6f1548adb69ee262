"""Which forms `retry` may have, on a step and for the whole workflow, and what they mean."""

from pydantic import JsonValue

from assay.automations.findings import Findings
from assay.automations.shape import RetryShape
from assay.steps import RetryPolicy
from assay.yamltext import Path, conforming, did_you_mean


def check_retry(raw: JsonValue, path: Path, findings: Findings, *, may_inherit: bool) -> None:
    """Report what is wrong with a value of `retry`: a mode, or a mapping with the mode and its limits."""
    if raw is None:
        return
    modes = ("automatic", "never", "inherit") if may_inherit else ("automatic", "never")
    if isinstance(raw, str):
        if raw not in modes:
            findings.report(path, f"retry is one of {', '.join(modes)}.", hint=did_you_mean(raw, modes))
        return
    if not isinstance(raw, dict):
        findings.report(path, f"retry is one of {', '.join(modes)}, or a mapping with mode and maxAttempts.")
        return
    retry = conforming(RetryShape, raw, path, findings)
    if retry is None:
        return
    if retry.mode not in modes or retry.mode == "inherit":
        findings.report((*path, "mode"), "In this form the mode is automatic or never.")
    if retry.mode == "never" and retry.maxAttempts is not None:
        findings.report((*path, "maxAttempts"), "There are no attempts to limit when the mode is never.")


def retry_policy(raw: JsonValue) -> RetryPolicy | None:
    """Read a checked value of `retry`; None is to inherit. `never` allows one attempt."""
    mode = raw.get("mode") if isinstance(raw, dict) else raw
    if mode == "never":
        return RetryPolicy(max_attempts=1)
    if mode != "automatic":
        return None
    attempts = raw.get("maxAttempts") if isinstance(raw, dict) else None
    return RetryPolicy(attempts) if isinstance(attempts, int) else RetryPolicy()
