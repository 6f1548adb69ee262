"""Lists of runs, page by page: a cursor names the last row of a page, so new runs never shift the next one."""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta

from assay import db
from assay.runs import store
from assay.runs.errors import InvalidCursorError
from assay.runs.model import RunFilters, RunPage
from assay.runs.page_query import Page

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = struct.Struct(">q")
_MICROSECOND = timedelta(microseconds=1)
_ORDERS = {False: b"", True: b"completion:"}


async def list_runs(  # noqa: PLR0913 (one argument a facet of the page)
    tx: db.Transaction,
    organization_id: str,
    filters: RunFilters,
    *,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 50,
    ascending: bool = False,
    by_completion: bool = False,
    timeout_seconds: float,
) -> RunPage:
    """Read one page, newest first unless `ascending`; full whenever there are enough runs.

    With `by_completion` it lists ended runs by when they ended, else all by when they were created.

    Raises:
        InvalidCursorError: the cursor is not one of ours, or of a list in the other order.
        asyncpg.QueryCanceledError: a statement took longer than `timeout_seconds`.
    """
    after = None if cursor is None else _decoded(cursor, by_completion=by_completion)
    wanted = Page(limit + 1, offset, after, ascending, by_completion)
    found = await store.list_places(tx, organization_id, filters, wanted, timeout_seconds=timeout_seconds)
    page = found[:limit]
    # Whether there is more is known from the places: a run may be deleted before its summary is read.
    summaries = await store.summaries(tx, organization_id, [run_id for _, run_id in page])
    return RunPage(summaries, _encoded(*page[-1], by_completion=by_completion) if len(found) > limit else None)


def _encoded(moment: datetime, run_id: str, *, by_completion: bool) -> str:
    place = _MOMENT.pack((moment - _EPOCH) // _MICROSECOND) + _ORDERS[by_completion] + run_id.encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _decoded(cursor: str, *, by_completion: bool) -> tuple[datetime, str]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        (moment,) = _MOMENT.unpack(raw[: _MOMENT.size])
        place = raw[_MOMENT.size :].decode("ascii")
        at = _EPOCH + moment * _MICROSECOND
    except (binascii.Error, ValueError, struct.error, OverflowError) as error:
        raise InvalidCursorError(field="cursor") from error
    order = _ORDERS[by_completion].decode()
    if not place.startswith(f"{order}exec_") or "\x00" in place:
        raise InvalidCursorError(field="cursor")
    return at, place.removeprefix(order)
