"""The SQL of providers and of answers that were paid for; every query names its organization or its run."""

import json
from typing import Any, NamedTuple

from assay import db
from assay.providers.model import ConfiguredProvider, OfferedModel, Price


class Asked(NamedTuple):
    """A question of a step of a run, by the SHA-256 of all that decides its answer."""

    organization_id: str
    run_id: str
    step_key: str
    question: bytes


_COLUMNS = (
    "id, organization_id, name, kind, models, options, prices, is_default, encrypted_key, key_variable, created_at"
)

LOCK = "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE"

INSERT = f"""
INSERT INTO providers ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (organization_id, name) DO NOTHING
RETURNING id
"""

NO_DEFAULT = "UPDATE providers SET is_default = false WHERE organization_id = $1 AND is_default"

LIST = f"SELECT {_COLUMNS} FROM providers WHERE organization_id = $1 ORDER BY is_default DESC, created_at, id"

DELETE = f"DELETE FROM providers WHERE organization_id = $1 AND (id = $2 OR name = $2) RETURNING {_COLUMNS}"

OLDEST_IS_DEFAULT = """
UPDATE providers SET is_default = true
WHERE id = (SELECT id FROM providers WHERE organization_id = $1 ORDER BY created_at, id LIMIT 1)
AND NOT EXISTS (SELECT FROM providers WHERE organization_id = $1 AND is_default)
"""

FIND_ANSWER = """
SELECT answer FROM model_answers WHERE organization_id = $1 AND run_id = $2 AND step_key = $3 AND question = $4
"""

# The run may have been deleted while its model was thinking.
KEEP_ANSWER = """
INSERT INTO model_answers (organization_id, run_id, step_key, question, answer)
SELECT organization_id, id, $3, $4, $5 FROM runs WHERE organization_id = $1 AND id = $2
ON CONFLICT DO NOTHING
"""


async def lock_organization(tx: db.Transaction, organization_id: str) -> None:
    """Wait until no other transaction changes the providers of the organization."""
    await tx.execute(LOCK, organization_id)


async def insert(tx: db.Transaction, provider: ConfiguredProvider) -> bool:
    """Store a provider; False if its name is taken."""
    if provider.is_default:
        await tx.execute(NO_DEFAULT, provider.organization_id)
    row = await tx.fetch_one(
        INSERT,
        provider.id,
        provider.organization_id,
        provider.name,
        provider.kind,
        json.dumps([model.model_dump(by_alias=True) for model in provider.models]),
        json.dumps(dict(provider.options)),
        json.dumps({name: price.model_dump() for name, price in provider.prices.items()}),
        provider.is_default,
        provider.encrypted_key,
        provider.key_variable,
        provider.created_at,
    )
    return row is not None


async def list_providers(tx: db.Transaction, organization_id: str) -> list[ConfiguredProvider]:
    """Return the providers of an organization, the default first, then the oldest first."""
    return [_provider(row) for row in await tx.fetch(LIST, organization_id)]


async def delete(tx: db.Transaction, organization_id: str, provider: str) -> ConfiguredProvider | None:
    """Delete a provider by id or name, and let the oldest of the others be the default if it was that."""
    row = await tx.fetch_one(DELETE, organization_id, provider)
    if row is None:
        return None
    await tx.execute(OLDEST_IS_DEFAULT, organization_id)
    return _provider(row)


async def find_answer(tx: db.Transaction, asked: Asked) -> str | None:
    """Return the JSON text of an answer that was paid for."""
    return await tx.fetch_value(FIND_ANSWER, *asked)


async def keep_answer(tx: db.Transaction, asked: Asked, answer: str) -> None:
    """Keep the answer to a question of a step, if the run still exists."""
    await tx.execute(KEEP_ANSWER, *asked, answer)


def _provider(row: db.Row) -> ConfiguredProvider:
    prices: dict[str, Any] = json.loads(row["prices"])
    values: dict[str, Any] = {
        **row,
        "models": tuple(OfferedModel.model_validate(found) for found in json.loads(row["models"])),
        "options": json.loads(row["options"]),
        "prices": {name: Price.model_validate(price) for name, price in prices.items()},
    }
    return ConfiguredProvider(**values)
