"""The review queue: what waits for a verdict, and who has it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from assay_client.transport import Query, Transport, segment

PAGE = 100


class ReviewQueue:
    """Everything below `/review-queue`; a verdict itself is given by `Client.feedback`."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.review_queue`."""
        self._transport = transport

    def list(self, filters: Query | None = None) -> dict[str, Any]:
        """Return one page `{items, nextCursor}`: disagreements first, then by priority, the oldest first.

        Filters have the names of the API: `automation`, `state`, `reason`, `runId`, `available`, `mine`, `limit`.
        """
        return self._transport.request("GET", "/review-queue", query=filters)

    def iterate(self, filters: Query | None = None, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield items in the order of the queue, asking for the next page when it is needed."""
        left, cursor = limit, None
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.list({**(filters or {}), "limit": size, **({"cursor": cursor} if cursor else {})})
            yield from page["items"]
            left = None if left is None else left - size
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def get(self, item_id: str) -> dict[str, Any]:
        """Return an item."""
        return self._transport.request("GET", _path(item_id))

    def claim(
        self, item_id: str | None = None, *, automation: str | None = None, lease_seconds: int | None = None
    ) -> dict[str, Any] | None:
        """Claim the next item, of one automation or of all, or the one that is named; None: nothing is open to you.

        It is yours until you give your verdict, `release` or `skip` it, or the lease (15 minutes) is over.

        Raises:
            ConflictError: the named item is done, others have it, or you have given your verdict.
        """
        body = _given(itemId=item_id, automation=automation, leaseSeconds=lease_seconds)
        # Asked twice, it would hand out two.
        answer = self._transport.request("POST", "/review-queue/claim", body=body, repeatable=item_id is not None)
        return answer["item"]

    def renew(self, item_id: str, *, lease_seconds: int | None = None) -> dict[str, Any]:
        """Keep an item for longer, from now on.

        Raises:
            ConflictError: `claim_lost`: the lease was over, and it is not yours any more.
        """
        body = _given(leaseSeconds=lease_seconds)
        return self._transport.request("POST", f"{_path(item_id)}/renew", body=body, repeatable=True)

    def release(self, item_id: str, *, reason: str | None = None) -> dict[str, Any]:
        """Give an item back, open to everybody at once. Safe to repeat."""
        return self._transport.request("POST", f"{_path(item_id)}/release", body=_given(reason=reason), repeatable=True)

    def skip(self, item_id: str, reason: str) -> dict[str, Any]:
        """Give an item back and let it come last, for you alone."""
        return self._transport.request("POST", f"{_path(item_id)}/skip", body={"reason": reason}, repeatable=True)

    def add(
        self,
        run_ids: Sequence[str] = (),
        *,
        filters: Query | None = None,
        reason: Literal["picked", "reported"] = "picked",
        double_review: bool = False,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Put runs into the queue, by their ids or by the filters of `Runs.list`; return counts. Safe to repeat.

        Raises:
            NotFoundError: runs do not exist; `issues` lists them.
            ConflictError: `run_not_finished`: runs have not ended; `issues` lists them.
            InvalidRequestError: `too_many_runs`: more than 10,000.
        """
        body = _given(
            runIds=[*run_ids] or None, reason=reason, doubleReview=double_review or None, dryRun=dry_run or None
        )
        return self._transport.request("POST", "/review-queue", query=filters, body=body, repeatable=True)

    def stats(self, *, automation: str | None = None, days: int | None = None) -> dict[str, Any]:
        """Return how much waits and since when, what each reviewer did in the last days, and how far they agree."""
        query: Query = {"automation": automation, "days": days}
        return self._transport.request("GET", "/review-queue/stats", query=query)


def _given(**values: object) -> Mapping[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _path(item_id: str) -> str:
    return f"/review-queue/{segment(item_id)}"
