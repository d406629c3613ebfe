"""However the server is asked to stop, the last edit is in S3, and the process ends. Real servers, signals and kernels.

Store: the strict S3.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import S3Environment
from tests.jupyter_process import JupyterProcess, jupyter
from tests.strict_s3 import StrictS3

pytestmark = pytest.mark.process

HOME_PREFIX = "org/notebooks/customer-abc/"

Start = Callable[..., JupyterProcess]


@pytest.fixture
def start(strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path) -> Iterator[Start]:
    """A function that starts a server whose home is synchronised; hints off, so that only the stop can save."""
    s3_env(strict_s3)
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    place = {
        "WHEROBOTS_BUCKET": strict_s3.bucket,
        "WHEROBOTS_ORGANIZATION": "org",
        "WHEROBOTS_USER": "abc",
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_STOP_TIMEOUT": "15",
    }
    running: list[JupyterProcess] = []
    contexts = []

    def run(app: str = "server", **environment: str) -> JupyterProcess:
        context = jupyter(tmp_path, {**aws, **place, **environment}, app=app)
        server = context.__enter__()
        contexts.append(context)
        running.append(server)
        return server

    yield run
    for server in running:
        if server.process.poll() is None:
            server.process.kill()
    for context in contexts:
        context.__exit__(None, None, None)


def saved(strict_s3: StrictS3) -> dict[str, bytes]:
    """The user's files in S3, by their path in home."""
    return {
        key.removeprefix(HOME_PREFIX): body
        for key, body in strict_s3.contents(HOME_PREFIX).items()
        if not key.startswith(HOME_PREFIX + ".wherobots/")
    }


def edit(server: JupyterProcess, text: str = "the last edit") -> None:
    (server.home / "work").mkdir(exist_ok=True)
    (server.home / "work" / "last.txt").write_text(text)


@pytest.mark.parametrize("app", ["server", "lab"])
def test_sigterm_saves_the_last_edit(start: Start, strict_s3: StrictS3, app: str) -> None:
    server = start(app)
    edit(server)
    assert server.stop(signal.SIGTERM) == 0
    assert saved(strict_s3)["work/last.txt"] == b"the last edit"
    assert "Home is saved in full" in server.output.text


def test_sigint_without_a_terminal_saves_too(start: Start, strict_s3: StrictS3) -> None:
    server = start()
    edit(server)
    assert server.stop(signal.SIGINT) == 0
    assert saved(strict_s3)["work/last.txt"] == b"the last edit"


def test_a_request_to_shut_down_saves_too(start: Start, strict_s3: StrictS3) -> None:
    server = start()
    edit(server)
    assert server.request("POST", "api/shutdown", {})[0] == 200
    assert server.wait() == 0
    assert saved(strict_s3)["work/last.txt"] == b"the last edit"


def test_what_was_deleted_and_renamed_last_does_not_come_back(
    start: Start, strict_s3: StrictS3
) -> None:
    """Two scans lie between the signal and the end, so a deletion is certain enough without waiting for a later one."""
    server = start()
    (server.home / "work").mkdir()
    for name in ("deleted.txt", "renamed.txt", "kept.txt"):
        (server.home / "work" / name).write_text(name)
    assert server.request("POST", "wherobots/sync/flush", {})[0] == 200
    assert {"work/deleted.txt", "work/renamed.txt"} <= saved(strict_s3).keys()
    (server.home / "work" / "deleted.txt").unlink()
    (server.home / "work" / "renamed.txt").rename(server.home / "new.txt")
    assert server.stop() == 0
    left = {name: body for name, body in saved(strict_s3).items() if name.endswith(".txt")}
    assert left == {"work/kept.txt": b"kept.txt", "new.txt": b"renamed.txt"}


def test_a_second_signal_does_not_cut_the_save_short(start: Start, strict_s3: StrictS3) -> None:
    server = start()
    edit(server)
    with strict_s3.gate("PutObject", key=HOME_PREFIX + "work/last.txt") as gate:
        server.process.send_signal(signal.SIGTERM)
        gate.wait_for_arrivals(timeout=30)
        server.process.send_signal(signal.SIGTERM)
        server.output.wait_for(r"received signal 15[\s\S]*", 10)
        server.process.send_signal(signal.SIGINT)
        server.output.wait_for(r"received signal 2|Interrupted", 10)
        assert server.process.poll() is None
        gate.release()
    assert server.wait() == 0
    assert saved(strict_s3)["work/last.txt"] == b"the last edit"


def test_a_kernel_that_writes_until_the_end_is_waited_for(
    start: Start, strict_s3: StrictS3
) -> None:
    server = start()
    status, kernel = server.request("POST", "api/kernels", {"name": "python3"})
    assert status == 201
    from tests.process.test_kernel_environment import run_in_kernel

    run_in_kernel(
        server,
        kernel["id"],
        "import atexit, pathlib\n"
        "def last():\n"
        "    pathlib.Path.home().joinpath('by-the-kernel.txt').write_text('at exit')\n"
        "atexit.register(last)",
    )
    assert server.stop(signal.SIGTERM) == 0
    assert saved(strict_s3)["by-the-kernel.txt"] == b"at exit"


BROKEN = {
    "the last pass": """
from jupyter_wherobots.sync.service import HomeSync

def broken(*args, **kwargs):
    raise RuntimeError("broken by the configuration")

HomeSync.final = broken
""",
    "the kernels": """
from jupyter_server.serverapp import ServerApp

clean = ServerApp.cleanup_kernels

async def broken(self):
    if not hasattr(self, "tried"):
        self.tried = True
        raise RuntimeError("broken by the configuration")
    await clean(self)

ServerApp.cleanup_kernels = broken
""",
    "the hook": """
from jupyter_wherobots.app import WherobotsApp

def broken(*args, **kwargs):
    raise RuntimeError("broken by the configuration")

WherobotsApp._tell = broken
""",
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_raises_inside_the_hook_does_not_keep_the_server(
    start: Start, strict_s3: StrictS3, tmp_path: Path, what: str
) -> None:
    """jupyter_server runs on for ever when a stop hook raises: ours logs the failure, and the process ends as always."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "jupyter_server_config.py").write_text(BROKEN[what])
    server = start()
    edit(server)
    begun = time.monotonic()
    assert server.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 15 + 6
    assert "broken by the configuration" in server.output.text
    if what != "the last pass":
        assert saved(strict_s3)["work/last.txt"] == b"the last edit"


def test_s3_gone_at_stop_ends_in_time_and_names_what_is_missing(
    start: Start, strict_s3: StrictS3
) -> None:
    server = start(WHEROBOTS_STOP_TIMEOUT="5")
    edit(server)
    strict_s3.stop()
    begun = time.monotonic()
    server.stop(signal.SIGTERM, timeout=30)
    assert time.monotonic() - begun < 5 + 6
    assert "Home is NOT saved in full" in server.output.text
    assert "work/last.txt" in server.output.text


def test_a_put_that_would_take_minutes_does_not_outlive_the_deadline(
    start: Start, strict_s3: StrictS3
) -> None:
    server = start(WHEROBOTS_STOP_TIMEOUT="4")
    edit(server)
    (server.home / "quick.txt").write_text("quick")
    with strict_s3.gate("PutObject", key=HOME_PREFIX + "work/last.txt"):
        begun = time.monotonic()
        server.stop(signal.SIGTERM, timeout=30)
        assert time.monotonic() - begun < 4 + 6
    assert saved(strict_s3)["quick.txt"] == b"quick"
    assert "work/last.txt" in server.output.text


def test_what_was_saved_comes_back_in_an_empty_home(
    start: Start, strict_s3: StrictS3, tmp_path: Path
) -> None:
    server = start()
    edit(server, "kept")
    (server.home / "naïve name.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4}')
    assert server.stop() == 0
    aws = {
        name: value
        for name, value in server.environment.items()
        if name.startswith(("AWS_", "WHEROBOTS_"))
    }
    with jupyter(tmp_path / "second", aws) as second:
        # Before the port answers: nobody opens a file that is about to arrive.
        assert (second.home / "work" / "last.txt").read_text() == "kept"
        assert (second.home / "naïve name.ipynb").exists()


def test_sigterm_while_home_is_being_restored_is_heard(
    strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path
) -> None:
    s3_env(strict_s3)
    strict_s3.put(HOME_PREFIX + "a.txt", b"a")
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        "WHEROBOTS_BUCKET": strict_s3.bucket,
        "WHEROBOTS_ORGANIZATION": "org",
        "WHEROBOTS_USER": "abc",
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_STOP_TIMEOUT": "3",
        "WHEROBOTS_RESTORE_BLOCK": "60",
    }
    with (
        JupyterProcess(tmp_path, environment) as server,
        strict_s3.gate("GetObject", key=HOME_PREFIX + "a.txt") as gate,
    ):
        gate.wait_for_arrivals(timeout=30)
        begun = time.monotonic()
        server.stop(signal.SIGTERM, timeout=30)
        assert time.monotonic() - begun < 12
    assert strict_s3.body(HOME_PREFIX + "a.txt") == b"a"


def test_the_server_answers_while_the_restore_goes_on_behind(
    start: Start, strict_s3: StrictS3
) -> None:
    strict_s3.put(HOME_PREFIX + "a.txt", b"a")
    with strict_s3.gate("GetObject", key=HOME_PREFIX + "a.txt") as gate:
        releaser = threading.Thread(target=gate.wait_for_arrivals, kwargs={"timeout": 30})
        releaser.start()
        server = start(WHEROBOTS_RESTORE_BLOCK="0.5")
        releaser.join()
        server.output.wait_for("still being restored")
        assert server.request("GET", "api/status")[0] == 200
        gate.release()
    until = time.monotonic() + 20
    while not server.request("GET", "wherobots/sync")[1]["restored"]:
        assert time.monotonic() < until, server.output.text
    assert server.stop() == 0
    assert (server.home / "a.txt").read_bytes() == b"a"
