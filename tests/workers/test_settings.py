from pathlib import Path

import pytest

from ingest.media import Limits
from ocr_core.reader import ReaderOptions
from workers.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "pagemill.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default() -> None:
    write('jobs = 3\nclaim_pages = 3\nlane = "bulk"\n')
    environment = {"PAGEMILL_JOBS": "4", "PAGEMILL_CLAIM_PAGES": "4"}
    settings = load_settings({"jobs": 5}, environment=environment)
    assert (settings.jobs, settings.claim_pages, settings.lane) == (5, 4, "bulk")
    assert settings.mode == "auto"


@pytest.mark.parametrize(
    ("flags", "environment", "file", "said"),
    [
        ({}, {}, "jbos = 2", "pagemill.toml: jbos is no setting; did you mean jobs?"),
        ({}, {"PAGEMILL_ENGIN": "x"}, "", "did you mean PAGEMILL_ENGINE?"),
        ({"data_base_url": 1}, {}, "", "did you mean --database-url?"),
        ({}, {"PAGEMILL_JOBS": "many"}, "", "the environment: PAGEMILL_JOBS"),
        ({}, {}, "jobs = 0", "pagemill.toml: jobs"),
        ({"pages": "3-1"}, {}, "", "'3-1'"),
        ({"database_url": "pagemill.db"}, {}, "", "sqlite:///pagemill.db"),
        ({}, {}, "jobs =", "pagemill.toml cannot be read"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_where_and_what(
    flags: dict[str, object], environment: dict[str, str], file: str, said: str
) -> None:
    write(file)
    with pytest.raises(SettingsError) as error:
        load_settings(flags, environment=environment)
    assert said in str(error.value)


def test_a_wrong_password_setting_does_not_show_the_password() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"passwords": [["hunter2"]]}, environment={})
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(Settings(passwords=("hunter2",)))


def test_a_settings_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    named = write("jobs = 7", "other.toml")
    assert load_settings(config=named, environment={}).jobs == 7
    assert load_settings(environment={"PAGEMILL_CONFIG": str(named)}).jobs == 7
    with pytest.raises(SettingsError, match=r"missing\.toml"):
        load_settings(config=tmp_path / "missing.toml", environment={})


def test_a_worker_gets_exactly_the_settings_of_its_supervisor() -> None:
    settings = Settings(
        jobs=3,
        passwords=("a b", 'q"uote', "密码"),
        pages="1,3-5",
        dpi=123.456,
        cache_dir=Path("some where/ünïcode"),
        broker_url=None,
        lease_seconds=0.1 + 0.2,
    )
    write("jobs = 9")  # not read again: the settings are settled
    assert load_settings(environment=settings.to_environment()) == settings


def test_each_database_has_a_broker_of_its_own() -> None:
    one, other = Settings(), Settings(database_url="sqlite:///other.db")
    assert one.celery_broker != other.celery_broker
    here = Settings(database_url=f"sqlite:///{Path.cwd()}/pagemill.db")
    assert here.celery_broker == one.celery_broker


def test_the_defaults_are_those_of_the_parts_they_are_for() -> None:
    options, settings = ReaderOptions(), Settings()
    assert settings.limits == Limits()
    for name in ("detector", "recognizer", "line_orientation", "engine", "device", "precision"):
        assert getattr(settings, name) == getattr(options, name)
