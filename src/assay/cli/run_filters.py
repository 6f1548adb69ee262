"""The filters of a list of runs as options: one list of them, for every command that takes some."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from assay.cli.connection import automation_ref
from assay.cli.option_groups import takes

Filters = Mapping[str, Any]
"""By the names of the API, None where nothing was said."""


def read_filters(  # noqa: PLR0913 (one parameter a filter)
    source: Annotated[
        list[str] | None, typer.Argument(metavar="[AUTOMATION]…", help="Only runs of these.", show_default=False)
    ] = None,
    *,
    kind: Annotated[str | None, typer.Option("--type", help="workflow or agent.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="failed, or a list: failed,cancelled.")] = None,
    trigger: Annotated[str | None, typer.Option("--trigger", help="api, cli, manual, eval…")] = None,
    triggered_by: Annotated[str | None, typer.Option("--triggered-by", help="User id, or __system__.")] = None,
    mode: Annotated[str | None, typer.Option("--mode", help="live, shadow or eval.")] = None,
    source_ref: Annotated[str | None, typer.Option("--source-ref", help="Version.")] = None,
    error_code: Annotated[
        str | None, typer.Option("--error-code", help="Why runs failed, a list: step_timeout,http_failed.")
    ] = None,
    error_step: Annotated[str | None, typer.Option("--error-step", help="The step they failed in.")] = None,
    batch_id: Annotated[str | None, typer.Option("--batch-id", help="Experiment.")] = None,
    example_id: Annotated[str | None, typer.Option("--example-id", help="Example.")] = None,
    example_id_contains: Annotated[str | None, typer.Option("--example-id-contains", help="Part of its id.")] = None,
    created_after: Annotated[
        str | None, typer.Option("--created-after", "--from", help="ISO 8601, or how long ago: 90m, 24h, 7d.")
    ] = None,
    created_before: Annotated[str | None, typer.Option("--created-before", "--to", help="Likewise.")] = None,
    completed_after: Annotated[str | None, typer.Option("--completed-after", help="Likewise.")] = None,
    completed_before: Annotated[str | None, typer.Option("--completed-before", help="Likewise.")] = None,
    review_state: Annotated[
        str | None,
        typer.Option("--review-state", help="A list of: unreviewed, open, regressed, passed, failed, ignored."),
    ] = None,
    sampled: Annotated[
        bool | None, typer.Option("--sampled/--not-sampled", help="What was drawn for review, or was not.")
    ] = None,
    sample_rate: Annotated[
        float | None, typer.Option("--sample-rate", min=0, max=1, help="The sample of this rate, as 0.15.")
    ] = None,
    feedback: Annotated[
        bool | None, typer.Option("--has-feedback/--no-feedback", help="With, or without, a word from anybody.")
    ] = None,
    feedback_status: Annotated[
        str | None, typer.Option("--feedback-status", help="open, resolved, ignored or none, or a list.")
    ] = None,
    feedback_rating: Annotated[
        str | None, typer.Option("--feedback-rating", help="pass, fail, partial or none, or a list.")
    ] = None,
    feedback_contains: Annotated[str | None, typer.Option("--feedback-contains", help="Part of what was said.")] = None,
    feedback_created_after: Annotated[
        str | None, typer.Option("--feedback-created-after", help="ISO 8601, or how long ago.")
    ] = None,
    feedback_created_before: Annotated[str | None, typer.Option("--feedback-created-before", help="Likewise.")] = None,
    feedback_updated_after: Annotated[str | None, typer.Option("--feedback-updated-after", help="Likewise.")] = None,
    feedback_updated_before: Annotated[str | None, typer.Option("--feedback-updated-before", help="Likewise.")] = None,
    feedback_resolved_after: Annotated[str | None, typer.Option("--feedback-resolved-after", help="Likewise.")] = None,
    feedback_resolved_before: Annotated[
        str | None, typer.Option("--feedback-resolved-before", help="Likewise.")
    ] = None,
    expected: Annotated[
        bool | None, typer.Option("--has-expected/--no-expected", help="With, or without, a correction.")
    ] = None,
    promoted: Annotated[
        bool | None, typer.Option("--promoted/--not-promoted", help="Whether an example was made of it.")
    ] = None,
    promoted_example_name: Annotated[
        str | None, typer.Option("--promoted-example-name", help="The example that was made of it.")
    ] = None,
    since_last_resolved: Annotated[
        bool, typer.Option("--since-last-resolved", help="Started after the newest run whose miss is resolved.")
    ] = False,
) -> Filters:
    """Take the options of a list of runs, and return what they amount to."""
    return {
        "source": [automation_ref(name) for name in source or []] or None,
        "type": kind,
        "status": status,
        "trigger": trigger,
        "triggeredBy": triggered_by,
        "mode": mode,
        "sourceRef": source_ref,
        "errorCode": error_code,
        "errorStep": error_step,
        "batchId": batch_id,
        "exampleId": example_id,
        "exampleIdContains": example_id_contains,
        "createdAfter": created_after,
        "createdBefore": created_before,
        "completedAfter": completed_after,
        "completedBefore": completed_before,
        "reviewState": review_state,
        "sampled": sampled,
        "sampleRate": sample_rate,
        "hasFeedback": feedback,
        "feedbackStatus": feedback_status,
        "feedbackRating": feedback_rating,
        "feedbackBodyContains": feedback_contains,
        "feedbackCreatedAfter": feedback_created_after,
        "feedbackCreatedBefore": feedback_created_before,
        "feedbackUpdatedAfter": feedback_updated_after,
        "feedbackUpdatedBefore": feedback_updated_before,
        "feedbackResolvedAfter": feedback_resolved_after,
        "feedbackResolvedBefore": feedback_resolved_before,
        "hasExpected": expected,
        "promotedToExample": promoted,
        "promotedExampleName": promoted_example_name,
        "sinceLastResolved": since_last_resolved or None,
    }


takes_run_filters = takes(read_filters, "filters")
"""Gives a command every option that is a filter; its parameter `filters` is what they amount to."""
