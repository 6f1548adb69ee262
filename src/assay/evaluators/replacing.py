"""How the evaluators of an automation change: a valid text takes the place of the one before, which is kept."""

import asyncio

from assay import access, db
from assay.evaluators import store
from assay.evaluators.errors import EvaluatorsReplacedError
from assay.evaluators.model import StoredSet
from assay.evaluators.parsing import parse


async def replace(
    tx: db.Transaction, caller: access.Caller, automation_id: str, source: str, *, replacing: int | None = None
) -> StoredSet:
    """Put a text in force; the automation must exist. The very text that is in force already changes nothing.

    `replacing` is the number of those that the text was made from, 0 for none.

    Raises:
        InvalidEvaluatorsError: the text is not valid; it lists everything that is wrong.
        EvaluatorsReplacedError: others than number `replacing` are in force.
    """
    evaluator_set = await asyncio.to_thread(parse, source)
    await store.lock(tx, caller.organization_id, automation_id)
    before = await store.current(tx, caller.organization_id, automation_id)
    if before is not None and before.source == source:
        return before
    number = 1 if before is None else before.number + 1
    if replacing is not None and replacing != number - 1:
        raise EvaluatorsReplacedError
    stored = await store.insert(
        tx,
        caller.organization_id,
        automation_id,
        number=number,
        evaluator_set=evaluator_set,
        user_id=caller.user_id,
    )
    await access.record_by(
        tx,
        caller,
        "evaluators.replaced",
        automation_id,
        {"number": number, "contentHash": stored.content_hash, "evaluators": len(evaluator_set.entries)},
    )
    return stored
