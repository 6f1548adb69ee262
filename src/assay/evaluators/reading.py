"""What of the stored texts can be read: any that was in force, and what it means to this assay."""

from functools import lru_cache

from assay import db
from assay.evaluators import store
from assay.evaluators.errors import EvaluatorsNotFoundError, InvalidEvaluatorsError, StoredEvaluatorsError
from assay.evaluators.model import EvaluatorSet, PastSet, StoredSet
from assay.evaluators.parsing import parse

_parsed = lru_cache(maxsize=32)(parse)


def set_of(stored: StoredSet) -> EvaluatorSet:
    """Return the evaluators of a stored text. Cheap the second time; the first may take some milliseconds.

    Raises:
        StoredEvaluatorsError: it was valid when it was stored, and is not any more.
    """
    try:
        return _parsed(stored.source)
    except InvalidEvaluatorsError as error:
        raise StoredEvaluatorsError(issues=error.issues) from error


async def past_set(tx: db.Transaction, organization_id: str, automation_id: str, set_id: str) -> StoredSet:
    """Return a text that is, or was, in force.

    Raises:
        EvaluatorsNotFoundError: the automation never had it.
    """
    found = await store.by_id(tx, organization_id, set_id)
    if found is None or found.automation_id != automation_id:
        raise EvaluatorsNotFoundError
    return found


async def past_sets(
    tx: db.Transaction, organization_id: str, automation_id: str, *, limit: int, offset: int = 0
) -> tuple[list[PastSet], int]:
    """Return one page of the texts that were ever in force, newest first, and how many there are in all.

    The texts themselves are left out; `past_set` reads one.
    """
    newest = await store.current(tx, organization_id, automation_id)
    page = await store.past_sets(tx, organization_id, automation_id, limit, offset)
    return page, newest.number if newest else 0
