"""Settings: traits before environment, everything checked, and one wrong setting disturbs nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_wherobots.app import WherobotsApp
from jupyter_wherobots.layout import LayoutName, Place
from jupyter_wherobots.settings import ENVIRONMENT, Configuration, load_settings, misspelt


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "path"))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "")
    monkeypatch.chdir(tmp_path)


def resolve(**overrides: object) -> Configuration:
    return load_settings(**overrides).resolve()


def test_nothing_set_names_all_that_is_missing_and_how_to_set_it() -> None:
    configuration = resolve()
    assert configuration.place is None
    assert [problem.setting for problem in configuration.problems] == [
        "bucket",
        "organization",
        "user",
    ]
    for name in ("WHEROBOTS_BUCKET", "WHEROBOTS_ORGANIZATION", "WHEROBOTS_USER"):
        assert name in (configuration.message or "")


def test_the_environment_is_the_default_and_a_trait_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEROBOTS_BUCKET", "from-environment")
    monkeypatch.setenv("WHEROBOTS_ORGANIZATION", "org")
    monkeypatch.setenv("WHEROBOTS_USER", "u1")
    monkeypatch.setenv("WHEROBOTS_LAYOUT", "2024")
    monkeypatch.setenv("WHEROBOTS_TRAILING_SLASH", "no")
    monkeypatch.setenv("WHEROBOTS_STOP_TIMEOUT", "7.5")
    assert resolve().place == Place("from-environment", "org", "u1")
    configuration = resolve(bucket="from-trait")
    assert configuration.place == Place("from-trait", "org", "u1")
    assert configuration.layout is LayoutName.V2024
    assert not configuration.trailing_slash
    assert configuration.stop_timeout == 7.5
    assert configuration.message is None


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHEROBOTS_HOME_PERSISTENCE", "")
    monkeypatch.setenv("WHEROBOTS_SYNC_INTERVAL", "")
    configuration = resolve()
    assert configuration.home_persistence == "auto"
    assert configuration.sync_interval == 120


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("WHEROBOTS_LAYOUT", "2023", "layout"),
        ("WHEROBOTS_HOME_PERSISTENCE", "always", "home_persistence"),
        ("WHEROBOTS_TRAILING_SLASH", "perhaps", "trailing_slash"),
        ("WHEROBOTS_SYNC_INTERVAL", "soon", "sync_interval"),
        ("WHEROBOTS_SYNC_INTERVAL", "0", "sync_interval"),
        ("WHEROBOTS_STOP_TIMEOUT", "-1", "stop_timeout"),
        ("WHEROBOTS_STOP_TIMEOUT", "nan", "stop_timeout"),
        ("WHEROBOTS_RESTORE_BLOCK", "inf", "restore_block"),
    ],
)
def test_a_wrong_value_is_named_and_the_place_still_stands(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str
) -> None:
    monkeypatch.setenv(variable, value)
    configuration = resolve(bucket="bucket", organization="org", user="u1")
    assert [problem.setting for problem in configuration.problems] == [setting]
    assert variable in (configuration.message or "")
    assert configuration.place is not None
    assert (configuration.message or "").startswith("Managed storage is configured wrongly: ")
    assert configuration.sync_interval >= 1
    if setting not in ("layout", "home_persistence"):
        monkeypatch.delenv(variable)
        assert getattr(configuration, setting) == getattr(resolve(), setting)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WHEROBOTS_BUKET", "WHEROBOTS_BUCKET"),
        ("WHEROBOT_USER", "WHEROBOTS_USER"),
        ("WHEROBOTS_ORGANISATION", "WHEROBOTS_ORGANIZATION"),
        ("WHEROBOTS_HOME_PERSISTANCE", "WHEROBOTS_HOME_PERSISTENCE"),
        ("Wherobots_Layout", "WHEROBOTS_LAYOUT"),
        *((name, None) for name in ("WHEROBOTS_API_KEY", "WHEROBOTS_REGION", "BUCKET", "HOME")),
        *((name, None) for name in ENVIRONMENT.values()),
    ],
)
def test_a_misspelt_variable_is_told_and_one_of_the_platform_is_not(
    name: str, meant: str | None
) -> None:
    assert misspelt({name: "x"}) == ([] if meant is None else [(name, meant)])


def test_a_state_that_is_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    place = {"bucket": "bucket", "organization": "org", "user": "u1", "home": str(tmp_path)}
    configuration = resolve(**place, state=str(tmp_path / "link"))
    assert [problem.setting for problem in configuration.problems] == ["state"]
    assert not resolve(**place, state=str(tmp_path / "below")).problems
    assert not resolve(**place, state=str(tmp_path.parent)).problems


def test_a_shell_reads_the_files_that_the_server_reads(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "jupyter_wherobots_config.py").write_text(
        "c.WherobotsApp.bucket = 'low'\nc.WherobotsApp.user = 'u1'\n"
    )
    (folder / "jupyter_server_config.json").write_text(
        '{"WherobotsApp": {"bucket": "high-bucket"}}'
    )
    configuration = resolve(organization="org")
    assert configuration.place == Place("high-bucket", "org", "u1")


def test_the_server_extension_has_the_same_traits() -> None:
    app = WherobotsApp(config=Config({"WherobotsApp": {"bucket": "bucket", "organization": "o"}}))
    app.user = "u1"
    assert app.resolve().place == Place("bucket", "o", "u1")


def test_home_defaults_to_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    configuration = resolve()
    assert configuration.home == tmp_path
    assert configuration.state == tmp_path / ".local/state/jupyter-wherobots"


def test_every_setting_is_a_configurable_trait_with_a_help_that_names_its_variable() -> None:
    traits = WherobotsApp.class_traits(config=True)
    for name, variable in ENVIRONMENT.items():
        assert variable in traits[name].help
