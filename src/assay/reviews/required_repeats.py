"""How often an example has to pass to prove a miss fixed: an automation's own numbers, else the usual ones."""

from dataclasses import dataclass
from datetime import datetime

from assay import access, automations, db
from assay.errors import InvalidValueError
from assay.reviews import proof, resolution_store

MOST_REPEATS = 100
"""What an experiment may run an example."""


@dataclass(frozen=True, slots=True)
class RequiredRepeats:
    """`repeats` where no step asks a model, `with_model` where one does; every one of them has to pass.

    Nobody has set them where `updated_at` is None.
    """

    repeats: int = proof.REPEATS
    with_model: int = proof.REPEATS_WITH_MODEL
    updated_by: str | None = None
    updated_at: datetime | None = None


async def required_repeats(tx: db.Transaction, organization_id: str, automation_id: str) -> RequiredRepeats:
    """Return what an automation asks of a proof."""
    row = await resolution_store.required_repeats(tx, organization_id, automation_id)
    return RequiredRepeats() if row is None else RequiredRepeats(**dict(row))


async def require_repeats(
    tx: db.Transaction,
    caller: access.Caller,
    automation: str,
    *,
    repeats: int | None = None,
    with_model: int | None = None,
) -> RequiredRepeats:
    """Ask so many passes of a proof from now on; what was proven stays so. A second call changes nothing.

    A number that is not given stays as it is.

    Raises:
        AutomationNotFoundError: the organization has no such automation.
        InvalidValueError: a number is not from 1 to 100.
    """
    for field, number in (("repeats", repeats), ("repeatsWithModel", with_model)):
        if number is not None and not 1 <= number <= MOST_REPEATS:
            message = f"A proof takes from 1 to {MOST_REPEATS} repeats."
            raise InvalidValueError(message, field=field)
    target = await automations.hold(tx, caller.organization_id, automation)
    before = await required_repeats(tx, caller.organization_id, target.id)
    repeats, with_model = repeats or before.repeats, with_model or before.with_model
    if (before.repeats, before.with_model) == (repeats, with_model):
        return before
    await resolution_store.save_required_repeats(
        tx, caller.organization_id, target.id, repeats, with_model, caller.user_id
    )
    await access.record_by(
        tx,
        caller,
        "resolution.repeats_set",
        target.id,
        {
            "repeats": repeats,
            "repeatsWithModel": with_model,
            "before": {"repeats": before.repeats, "repeatsWithModel": before.with_model},
        },
    )
    return await required_repeats(tx, caller.organization_id, target.id)
