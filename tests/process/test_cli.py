"""The command line as a process: the home mirror, signals, pipes, a terminal. Stores: strict S3."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import S3Environment
from tests.jupyter_process import Output
from tests.strict_s3 import Quirk, StrictS3

pytestmark = pytest.mark.process

PROGRAM = str(Path(sys.executable).with_name("jupyter-wherobots"))
HOME = "org/notebooks/customer-u/"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(
    strict_s3: StrictS3,
    s3_env: S3Environment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Start:
    """Starts a command on the strict S3, in a place of its own; ended with the test."""
    s3_env(strict_s3)
    for name in list(os.environ):
        if name.startswith("WHEROBOTS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHEROBOTS_BUCKET", strict_s3.bucket)
    monkeypatch.setenv("WHEROBOTS_ORGANIZATION", "org")
    monkeypatch.setenv("WHEROBOTS_USER", "u")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "own"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def run(*arguments: str, **keywords: Any) -> subprocess.Popen[str]:
        keywords = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords}
        process = subprocess.Popen(
            [PROGRAM, *arguments], stdin=subprocess.DEVNULL, text=True, **keywords
        )

        def end() -> None:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

        request.addfinalizer(end)
        return process

    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with files of several kinds."""
    home = tmp_path / "home"
    (home / "a folder").mkdir(parents=True)
    (home / "a folder" / "naïve & 100%.txt").write_bytes(b"text")
    (home / "empty").write_bytes(b"")
    (home / "large").write_bytes(os.urandom(300_000))
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text("secret")
    return home


def options(home: Path, state: Path) -> list[str]:
    return ["--home", str(home), "--state", str(state)]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".aws" not in path.parts
    }


def test_a_home_goes_to_s3_and_comes_back_elsewhere(
    strict_s3: StrictS3, start: Start, home: Path, tmp_path: Path
) -> None:
    once = start("sync", "--once", *options(home, tmp_path / "state"), "--json")
    out, err = once.communicate(timeout=60)
    assert once.returncode == 0, err
    report = json.loads(out)
    assert report["complete"]
    assert report["uri"] == f"s3://{strict_s3.bucket}/{HOME}"
    remote = {
        key[len(HOME) :]: body
        for key, body in strict_s3.contents(HOME).items()
        if not key.startswith(f"{HOME}.wherobots/")
    }
    assert remote == files(home)

    puts = strict_s3.count("PutObject")
    again = start("sync", "--once", *options(home, tmp_path / "state"))
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert out.startswith(f"Everything in {home} is saved in s3://")
    assert "(0 uploaded" in out
    assert strict_s3.count("PutObject") - puts <= 4  # the lease and the manifest at most, no file

    other = tmp_path / "not there yet" / "home"
    back = start("restore", *options(other, tmp_path / "other state"))
    out, err = back.communicate(timeout=60)
    assert back.returncode == 0, err
    assert out.startswith("3 of 3 files restored")
    assert files(other) == files(home)


def test_what_is_not_saved_is_named_and_is_code_3(
    strict_s3: StrictS3, start: Start, home: Path, tmp_path: Path
) -> None:
    strict_s3.deny(f"{HOME}large")
    once = start("sync", "--once", *options(home, tmp_path / "state"))
    _, err = once.communicate(timeout=60)
    assert once.returncode == 3
    assert re.search(r"^  large: .+", err, re.MULTILINE), err
    assert "1 file is not saved" in err
    assert strict_s3.body(f"{HOME}a folder/naïve & 100%.txt") == b"text"


def test_what_a_store_cannot_do_is_said(
    strict_s3: StrictS3, start: Start, home: Path, tmp_path: Path
) -> None:
    strict_s3.quirks.add(Quirk.IGNORES_IF_MATCH_ON_DELETE)
    out, err = start("sync", "--once", *options(home, tmp_path / "state")).communicate(timeout=60)
    assert "note: So what is deleted in home is not deleted in S3." in out, err


def test_emptied_homes_delete_nothing_before_a_persons_word(
    strict_s3: StrictS3, start: Start, home: Path, tmp_path: Path
) -> None:
    once = ["sync", "--once", *options(home, tmp_path / "state")]
    assert start(*once).wait(60) == 0
    for path in [path for path in home.rglob("*") if not path.is_dir() or path.is_symlink()]:
        path.unlink()
    before = strict_s3.keys(HOME)
    for _ in range(3):
        said, _ = start(*once).communicate(timeout=60)
        assert "--confirm-deletes" in said
    assert {key for key in before if ".wherobots/" not in key} <= set(strict_s3.keys(HOME))
    start(*once, "--confirm-deletes").communicate(timeout=60)
    assert [key for key in strict_s3.keys(HOME) if ".wherobots/" not in key] == []


def test_a_home_that_is_not_there_is_code_2(start: Start, tmp_path: Path) -> None:
    once = start("sync", "--once", *options(tmp_path / "nowhere", tmp_path / "state"))
    out, err = once.communicate(timeout=60)
    assert (once.returncode, out) == (2, "")
    assert str(tmp_path / "nowhere") in err
    assert not (tmp_path / "state").exists()


def test_beside_another_engine_it_says_so_and_does_nothing(
    strict_s3: StrictS3, start: Start, home: Path, tmp_path: Path
) -> None:
    running = start("sync", *options(home, tmp_path / "state"))
    assert running.stdout is not None
    Output(running.stdout).wait_for("^Saved ")
    before = strict_s3.contents()
    once = start("sync", "--once", *options(home, tmp_path / "state"))
    _, err = once.communicate(timeout=60)
    assert once.returncode == 1
    assert str(running.pid) in err
    assert "jupyter wherobots status" in err
    assert strict_s3.contents() == before


def test_it_goes_on_until_sigterm_and_saves_once_more(
    strict_s3: StrictS3, start: Start, home: Path, tmp_path: Path
) -> None:
    running = start("sync", *options(home, tmp_path / "state"))
    assert running.stdout is not None
    said = Output(running.stdout)
    said.wait_for("^Saved ")
    (home / "late").write_bytes(b"late")
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    said.wait_for("^Everything in ")
    assert strict_s3.body(f"{HOME}late") == b"late"


def test_a_restore_on_a_terminal_shows_how_far_it_is(
    strict_s3: StrictS3, start: Start, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        strict_s3.put(f"{HOME}{name}", b"x" * 1000)
    terminal, end = pty.openpty()
    with strict_s3.gate("GetObject", key=f"{HOME}two") as gate:
        restore = start("restore", *options(tmp_path / "home", tmp_path / "state"), stderr=end)
        os.close(end)
        gate.wait_for_arrivals()
        with open(terminal, errors="replace", closefd=False) as screen:
            shown = ""
            while "Restoring" not in shown:
                shown += screen.read(1)
    assert restore.wait(60) == 0
    os.close(terminal)


def test_a_pipe_that_is_closed_is_no_error(strict_s3: StrictS3, start: Start) -> None:
    strict_s3.put_many({f"org/data/shared/{number:05}": b"" for number in range(3000)})
    listing = start("ls", "/data/shared")
    assert listing.stdout is not None
    assert listing.stdout.readline() == "00000\n"
    listing.stdout.close()
    assert listing.wait(60) == 141
    assert listing.stderr is not None
    assert listing.stderr.read() == ""


@pytest.mark.parametrize("command", ["ls /data/shared", "sync --once", "restore", "doctor"])
def test_ctrl_c_ends_a_command_without_a_traceback(
    strict_s3: StrictS3, start: Start, command: str
) -> None:
    with strict_s3.gate("ListObjectsV2") as gate:
        listing = start(*command.split())
        gate.wait_for_arrivals()
        listing.send_signal(signal.SIGINT)
        assert listing.wait(60) == 130
    assert listing.stderr is not None
    assert listing.stderr.read() == "Stopped.\n"
