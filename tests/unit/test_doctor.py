"""The doctor: each finding says what is wrong and what to do, and it never raises for what it finds. Stores: strict S3."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jupyter_wherobots.doctor import Checkup, State, checks, examine
from jupyter_wherobots.home import Mode, Persistence
from jupyter_wherobots.layout import Layout, LayoutName, Place
from jupyter_wherobots.mounts import Mount
from jupyter_wherobots.s3.credentials import CredentialSource
from jupyter_wherobots.settings import Configuration, load_settings
from tests.conftest import SECRET_KEY, S3Environment
from tests.strict_s3 import RCLONE, Access, StrictS3

NOW = datetime(2025, 5, 1, 12, 0, tzinfo=timezone.utc)
EXPECTED = Layout(Place("bucket", "org", "u"), LayoutName.CURRENT).environment()
SYNC = Persistence(Mode.SYNC, "home_persistence is sync.")


def states(checkup: Checkup) -> dict[str, State]:
    return {check.name: check.state for check in checkup.checks}


def message(checkup: Checkup, name: str) -> str:
    return next(f"{c.message} {c.hint}" for c in checkup.checks if c.name == name)


# -- pure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "in_server", "state", "words"),
    [
        (EXPECTED["USER_S3_PATH"], False, State.OK, EXPECTED["USER_S3_PATH"]),
        (None, False, State.WARNING, 'eval "$(jupyter wherobots env)"'),
        ("", False, State.WARNING, "not set in this shell"),
        (None, True, State.FAILED, "Restart the server"),
        (EXPECTED["USER_S3_PATH"].rstrip("/"), True, State.WARNING, "no slash at its end"),
        ("s3://other/place/", True, State.WARNING, "not what the configuration says"),
        ("s3a://bucket/org/data/customer-u/", True, State.WARNING, "does not begin with s3://"),
    ],
)
def test_each_way_a_variable_can_be_wrong_is_told_apart(
    value: str | None, in_server: bool, state: State, words: str
) -> None:
    environ = {} if value is None else {"USER_S3_PATH": value}
    found = checks.check_variables(EXPECTED, environ, in_server=in_server)
    assert [check.name for check in found] == list(EXPECTED)
    assert found[0].state is state
    assert words in f"{found[0].message} {found[0].hint}"


def test_a_slash_that_should_not_be_there_is_told() -> None:
    expected = {name: value.rstrip("/") for name, value in EXPECTED.items()}
    found = checks.check_variables(expected, EXPECTED, in_server=True)
    assert {check.state for check in found} == {State.WARNING}
    assert "ends with a slash" in found[0].message


@pytest.mark.parametrize(
    ("minutes", "refreshable", "state", "words"),
    [
        (None, False, State.OK, "do not say when"),
        (90, False, State.OK, "90 minutes left"),
        (5, False, State.WARNING, "nothing renews them"),
        (5, True, State.OK, "renewed by themselves"),
        (-3, True, State.FAILED, "expired 3 minutes ago"),
    ],
)
def test_credentials_say_how_long_they_are_good(
    minutes: int | None, refreshable: bool, state: State, words: str
) -> None:
    expires = None if minutes is None else NOW + timedelta(minutes=minutes)
    check = checks.check_credentials(CredentialSource("env", expires, refreshable), NOW)
    assert check.state is state
    assert words in check.message
    assert "AWS_ACCESS_KEY_ID" in check.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[wherobots]\naws_access_key_id=A\naws_access_secret_key=B\n", "aws_access_secret_key in"),
        ("aws_access_key_id=A\n", "does not begin with a profile"),
        ("[a]\n[a]\n", "malformed"),
        ("[default]\naws_secret_access_key wJalrXUtnFEMI\n", "malformed"),
    ],
)
def test_a_credentials_file_that_no_tool_reads_is_found(text: str, words: str) -> None:
    check = checks.check_credentials_file(text, "~/.aws/credentials")
    assert check is not None
    assert check.state is State.FAILED
    assert words in check.message
    assert check.hint
    assert "wJalr" not in str(check)


@pytest.mark.parametrize(
    "text", ["", "[default]\naws_access_key_id=A\naws_secret_access_key=B%C\n", "# none\n"]
)
def test_a_sound_credentials_file_is_not_mentioned(text: str) -> None:
    assert checks.check_credentials_file(text, "x") is None


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, State.OK), (-30, State.OK), (90, State.WARNING), (-901, State.FAILED)],
)
def test_a_clock_is_judged_by_what_signatures_bear(seconds: int, state: State) -> None:
    assert checks.check_clock(NOW + timedelta(seconds=seconds), NOW).state is state


@pytest.mark.parametrize(
    ("free", "state"), [(50e9, State.OK), (500e6, State.WARNING), (1e6, State.FAILED)]
)
def test_a_full_disk_is_noticed_before_it_is_full(free: float, state: State) -> None:
    assert checks.check_disk(Path("/home/u"), int(free)).state is state


def test_a_root_dir_outside_home_is_warned_of() -> None:
    home = Path("/home/u")
    assert checks.check_root_dir(home, home).state is State.OK
    assert checks.check_root_dir(home, home / "work").state is State.OK
    assert checks.check_root_dir(home, Path("/home")).state is State.WARNING
    assert checks.check_root_dir(home, Path("/home/user")).state is State.WARNING


def test_versions_that_are_too_old_are_named() -> None:
    asked = ["boto3>=1.35.69", "jupyter_server<3,>=2.10", "nonsense >="]
    good = checks.check_versions(asked, {"boto3": "1.40.0", "jupyter_server": "2.10.0"})
    old = checks.check_versions(asked, {"boto3": "1.30.1", "jupyter_server": "2.10.0"})
    assert good.state is State.OK
    assert "boto3 1.40.0" in good.message
    assert old.state is State.FAILED
    assert "boto3 1.30.1 is not >=1.35.69" in old.message


def test_how_home_is_kept_is_said_with_its_reason(tmp_path: Path) -> None:
    configuration = load_settings(bucket="bucket", organization="org", user="u").resolve()
    layout = Layout(Place("bucket", "org", "u"), LayoutName.CURRENT)
    mount = Mount("/home/u", "nfs4")
    kept = Persistence(Mode.FILESYSTEM, "A network mount.")
    off = Persistence(Mode.OFF, "Nobody asked.")
    mirrored = checks.check_home(configuration, SYNC, mount, layout)
    assert mirrored.state is State.OK
    assert "s3://bucket/org/notebooks/customer-u/" in mirrored.message
    assert checks.check_home(configuration, kept, mount, layout).state is State.OK
    lost = checks.check_home(configuration, off, mount, layout)
    assert lost.state is State.WARNING
    assert "lost" in lost.hint


# -- the whole -------------------------------------------------------------------------------------


@pytest.fixture
def configuration(strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path) -> Configuration:
    s3_env(strict_s3)
    return load_settings(
        bucket=strict_s3.bucket,
        organization="org",
        user="u",
        layout="2024",
        home=str(tmp_path),
        state=str(tmp_path / "state"),
    ).resolve()


def test_a_sound_set_up_is_all_ok_and_nothing_is_left_behind(
    strict_s3: StrictS3, configuration: Configuration, tmp_path: Path
) -> None:
    checkup = examine(
        configuration,
        environ=layout_of(configuration).environment(),
        root_dir=tmp_path,
        in_server=True,
    )
    assert set(states(checkup).values()) == {State.OK}, checkup.to_json()
    assert checkup.ok
    assert {"configuration", "credentials", "bucket", "clock", "writing"} <= set(states(checkup))
    assert strict_s3.keys() == []
    assert SECRET_KEY not in json.dumps(checkup.to_json())


def layout_of(configuration: Configuration) -> Layout:
    assert configuration.place is not None
    return Layout(configuration.place, LayoutName.V2024)


def test_without_configuration_it_says_what_is_missing_and_asks_nobody(
    strict_s3: StrictS3, s3_env: S3Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_env(strict_s3)
    for name in ("BUCKET", "ORGANIZATION", "USER"):
        monkeypatch.delenv(f"WHEROBOTS_{name}", raising=False)
    checkup = examine(load_settings(bucket="b" * 5).resolve(), environ={})
    assert not checkup.ok
    wrong = [c for c in checkup.checks if c.name == "configuration"]
    assert [c.hint.split()[1] for c in wrong] == ["WHEROBOTS_ORGANIZATION", "WHEROBOTS_USER"]
    assert states(checkup)["bucket"] is State.SKIPPED
    assert strict_s3.requests == []


def test_a_bucket_that_may_not_be_listed_is_a_failure_with_a_hint(
    strict_s3: StrictS3, configuration: Configuration
) -> None:
    strict_s3.deny("org/", [Access.LIST])
    checkup = examine(configuration, environ={})
    assert states(checkup)["bucket"] is State.FAILED
    assert states(checkup)["writing"] is State.SKIPPED
    assert "may not list" in message(checkup, "bucket")


def test_a_bucket_that_may_not_be_written_is_a_failure_with_a_hint(
    strict_s3: StrictS3, configuration: Configuration
) -> None:
    strict_s3.deny("org/")
    checkup = examine(configuration, environ={})
    assert states(checkup)["bucket"] is State.OK
    assert states(checkup)["writing"] is State.FAILED
    assert "administrator" in message(checkup, "writing")


def test_a_store_that_ignores_conditions_is_noticed(
    strict_s3: StrictS3, configuration: Configuration
) -> None:
    strict_s3.quirks.update(RCLONE)
    checkup = examine(configuration, environ={})
    assert checkup.ok
    assert states(checkup)["conditional requests"] is State.WARNING
    assert "If-None-Match" in message(checkup, "conditional requests")


def test_no_credentials_is_a_failure_that_names_the_way_out(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    checkup = examine(configuration, environ={"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"})
    assert states(checkup)["credentials"] is State.FAILED
    assert states(checkup)["bucket"] is State.SKIPPED
    said = message(checkup, "credentials")
    assert "AWS_ACCESS_KEY_ID is not set, AWS_WEB_IDENTITY_TOKEN_FILE is set" in said
    assert "the profile [default] in ~/.aws/credentials and ~/.aws/config" in said
    assert "doctor" not in said


def test_a_folder_that_the_mirror_cannot_use_is_a_failure(
    configuration: Configuration, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    checkup = examine(replace(configuration, state=tmp_path / "file" / "state"), environ={})
    assert states(checkup)["state"] is State.FAILED
    assert f"{tmp_path / 'file'} is no folder" in message(checkup, "state")
    assert states(checkup)["home"] is State.OK


def test_a_full_disk_of_the_state_is_a_failure(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert "full (4,096 bytes left)" in message(examine(configuration, environ={}), "state")


def test_a_misspelt_variable_is_a_warning(configuration: Configuration) -> None:
    checkup = examine(configuration, environ={"WHEROBOTS_BUKET": "b"})
    assert "Is WHEROBOTS_BUCKET meant?" in message(checkup, "configuration")


def test_half_of_the_keys_is_not_taken_for_none(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = message(examine(configuration, environ={}), "credentials")
    assert "missing: AWS_SECRET_ACCESS_KEY" in said
    assert "no keys for the profile" not in said


def test_a_home_that_does_not_exist_is_told(configuration: Configuration) -> None:
    missing = load_settings(home="/does/not/exist").resolve()
    assert states(examine(missing, environ={}))["disk"] is State.FAILED
