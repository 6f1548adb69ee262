"""What several processes that start at the same time agree on."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from assay import bootstrap, db
from assay.errors import InvalidValueError
from assay.settings import Settings


def test_all_who_start_at_the_same_time_have_the_same_secret_key(tmp_path: Path) -> None:
    barrier = Barrier(8)

    def key_of(data_dir: Path) -> str:
        barrier.wait()
        return bootstrap._secret_key(Settings(data_dir=data_dir))

    with ThreadPoolExecutor(8) as threads:
        for attempt in range(20):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            keys = set(threads.map(key_of, [folder] * 8))
            assert len(keys) == 1
            assert len(keys.pop()) > 40
            assert [path.name for path in folder.iterdir()] == ["secret.key"]
            assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600


def test_the_key_of_the_settings_wins_and_nothing_is_written(tmp_path: Path) -> None:
    assert bootstrap._secret_key(Settings(data_dir=tmp_path, secret_key="given")) == "given"
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_given_on_the_command_line_is_absolute() -> None:
    assert bootstrap.settings_for(Path("somewhere")).data_dir == Path.cwd() / "somewhere"


def test_settings_that_are_none_are_told_by_name_all_at_once_and_without_their_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASSAY_MAX_BODY_BYTES", "secret")
    monkeypatch.setenv("ASSAY_LOG_LEVEL", "loud")
    with pytest.raises(InvalidValueError) as caught:
        bootstrap.settings_for(None)
    assert {issue.field for issue in caught.value.issues} == {"ASSAY_MAX_BODY_BYTES", "ASSAY_LOG_LEVEL"}
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["mysql://x", "postgresql://u:secret@127.0.0.1:1/x", "postgresql://u@no.invalid/x"])
async def test_a_database_that_is_not_there_is_told_with_the_setting_that_names_it(tmp_path: Path, url: str):
    with pytest.raises(db.DatabaseUnavailableError, match="cannot be reached") as caught:
        async with bootstrap.open_database(Settings(data_dir=tmp_path, database_url=url)):
            pass
    assert "ASSAY_DATABASE_URL" in str(caught.value.hint)
    assert "secret" not in caught.value.message
