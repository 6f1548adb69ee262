"""Saying what is right or wrong of a run on its own page, queued or not."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from assay import reviews, runs
from assay.dashboard.run_detail import show_run
from assay.dashboard.visitors import Here, SignedIn
from assay.errors import AssayError

router = APIRouter()


@router.post("/runs/{run_id}/feedback")
async def give_feedback(request: Request, run_id: str, visitor: SignedIn, server: Here) -> Response:
    """Keep rating and note, as `components/feedback_form.html` sends them; its ETag refuses lost updates.

    What is refused stays in the form, beside what stands there now.
    """
    form = await request.form(max_files=0, max_fields=10)
    values = {name: value for name, value in form.items() if isinstance(value, str)}
    change: reviews.FeedbackChange = {"body": values.get("note", "").replace("\r\n", "\n")}
    rating = values.get("rating")
    if rating in {"fail", "partial"}:
        change["rating"], change["status"] = "fail" if rating == "fail" else "partial", "open"
    elif rating == "pass":
        change["rating"] = "pass"
    try:
        async with server.database.transaction() as tx:
            before = (await reviews.get(tx, visitor.caller, run_id)).feedback
            if rating == "pass" and before and before.status == "open" and before.promoted_example_id is None:
                change["status"] = None
            await reviews.update(tx, visitor.caller, run_id, change, if_match=values.get("etag") or None)
    except runs.RunNotFoundError:
        raise
    except AssayError as error:
        return await show_run(request, visitor, server, run_id, problem=error, typed=values.get("note") or None)
    return RedirectResponse(f"/runs/{run_id}#review", 303)
