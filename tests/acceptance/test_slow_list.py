"""A list that the database cannot find in time is answered, with what to do about it."""

from collections.abc import Generator

import asyncpg
import httpx
import pytest
from tests.acceptance import serving

from assay import db
from assay.settings import Settings


@pytest.fixture
def hurried(database: db.Database, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database.dsn, list_timeout_seconds=0.2)
    with serving.serving(settings, with_worker=False) as running, running.http() as client:
        yield client


async def test_a_list_that_takes_too_long_is_503_with_a_hint_and_the_next_one_works(
    database: db.Database, hurried: httpx.Client
) -> None:
    blocking: asyncpg.Connection = await asyncpg.connect(database.dsn)
    async with blocking.transaction():
        await blocking.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        answer = hurried.get("/runs")
    await blocking.close()

    assert answer.status_code == 503
    assert answer.headers["retry-after"].isdigit()
    body = answer.json()
    assert [issue["code"] for issue in body["issues"]] == ["query_timeout"]
    assert "Narrow" in body["hint"]
    assert hurried.get("/runs").status_code == 200
