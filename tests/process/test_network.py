"""The mirror through a real proxy: delays, lost answers, outages. Stores: the strict S3, and rclone in one test."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.s3.client import S3, Timeouts
from jupyter_wherobots.sync.service import HomeSync, SyncOptions
from jupyter_wherobots.sync.status import PassReport
from tests.conftest import S3Environment, Server, aws_settings
from tests.jupyter_process import jupyter
from tests.process.haproxy import Haproxy
from tests.strict_s3 import StrictS3

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

PREFIX = "org/notebooks/customer-abc/"
INTERNAL = PREFIX + ".wherobots/"
PATIENCE = 60.0
"""Seconds to wait for what takes a few on a machine that is not busy."""


@pytest.fixture
def proxy(strict_s3: StrictS3, s3_env: S3Environment, tmp_path: Path) -> Iterator[Haproxy]:
    """A proxy in front of the strict S3, which every client of this process talks to."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    with Haproxy(folder, strict_s3) as proxy:
        s3_env(proxy)
        yield proxy


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def mirror(proxy: Haproxy, home: Path, read: float = 30.0, interval: float = 120.0) -> HomeSync:
    """An engine as a server has it, through the proxy; hints off."""
    s3 = S3(proxy.bucket, timeouts=Timeouts(read=read))
    state = home.with_name(home.name + "-state")
    return HomeSync(s3, PREFIX, home, state, options=SyncOptions(interval, hints=False))


def write(home: Path, names: list[str], text: str = "") -> None:
    for name in names:
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{name} {text}")


def local(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


def remote(strict_s3: StrictS3) -> dict[str, bytes]:
    """The user's files in S3, by their path in home."""
    return {
        key.removeprefix(PREFIX): body
        for key, body in strict_s3.contents(PREFIX).items()
        if not key.startswith(INTERNAL)
    }


def passes(sync: HomeSync, most: int = 8) -> PassReport:
    """The report of the first pass after which everything is saved."""
    for _ in range(most):
        report = sync.run_pass()
        if report.complete:
            return report
    raise AssertionError(report)


def numbered(start: int, stop: int) -> list[str]:
    return [f"folder-{number % 7}/{number:04d}.txt" for number in range(start, stop)]


def test_with_a_delay_on_every_request_each_file_is_sent_once_and_comes_back(
    proxy: Haproxy, strict_s3: StrictS3, home: Path, tmp_path: Path
) -> None:
    proxy.latency(0.03)
    write(home, numbered(0, 300))
    with mirror(proxy, home) as sync:
        assert sync.run_pass().complete
        assert remote(strict_s3) == local(home)
        sent = Counter(each.key for each in strict_s3.requests if each.operation == "PutObject")
        assert {sent[PREFIX + name] for name in numbered(0, 300)} == {1}
    other = tmp_path / "other"
    with mirror(proxy, other) as sync:
        assert sync.restore().complete
    assert local(other) == local(home)


def test_a_store_without_conditions_loses_nothing_by_lost_answers_either(
    rclone_server: Server, s3_env: S3Environment, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "proxy"
    folder.mkdir()
    with Haproxy(folder, rclone_server) as proxy:
        s3_env(proxy)
        write(home, numbered(0, 40), "first")
        with mirror(proxy, home) as sync:
            passes(sync)
            proxy.latency(0.01)
            proxy.lose(3)
            write(home, numbered(20, 60), "second")
            passes(sync)
            assert sync.conflicts() == ()
        proxy.lose(0)
        other = tmp_path / "other"
        with mirror(proxy, other) as sync:
            assert sync.restore().complete
        assert local(other) == local(home)


@pytest.mark.parametrize("way", ["cut", "hung"])
def test_a_write_whose_answer_is_lost_is_known_for_ours(
    proxy: Haproxy, strict_s3: StrictS3, home: Path, way: str
) -> None:
    """New files, changed ones, a large one, renamed and deleted ones: done in S3, and nobody was told."""
    write(home, numbered(0, 60), "first")
    write(home, ["changed by parts.bin"], "small")
    with mirror(proxy, home, read=3.0) as sync:
        assert passes(sync).complete
        before = len(strict_s3.requests)

        write(home, numbered(30, 90), "second")
        (home / "changed by parts.bin").write_bytes(os.urandom(17 << 20))
        (home / "new by parts.bin").write_bytes(os.urandom(17 << 20))
        for number, name in enumerate(numbered(0, 20)):
            if number % 2:
                (home / name).unlink()
            else:
                (home / name).rename(home / f"renamed-{number}.txt")
        proxy.lose(3) if way == "cut" else proxy.hang(12)
        passes(sync)
        for _ in range(3):  # deletions wait for two more looks
            passes(sync)
        assert sync.conflicts() == ()
        proxy.lose(0)
        proxy.hang(0)
        passes(sync)
        assert remote(strict_s3) == local(home)
        assert strict_s3.uploads() == []

        new = list(strict_s3.requests)[before:]
        effects = Counter(
            (each.key, each.operation.value)
            for each in new
            if each.effect
            and not each.key.startswith(INTERNAL)
            and each.operation.value
            in ("PutObject", "CopyObject", "DeleteObject")  # a Complete may be asked for again
        )
        assert {name: count for name, count in effects.items() if count > 1} == {}
        # 60 files put, two by parts, ten renamed, twenty deleted: a few requests for each, and not for ever.
        assert len(new) < 600


def test_an_outage_is_said_asked_about_seldom_and_ends_by_itself(
    proxy: Haproxy, strict_s3: StrictS3, home: Path
) -> None:
    write(home, numbered(0, 20))
    sync = mirror(proxy, home, interval=1.0)
    news = threading.Condition()
    told = 0

    def hear(status: object) -> None:
        nonlocal told
        with news:
            told += 1
            news.notify_all()

    def wait_for(what: Callable[[], bool]) -> None:
        with news:
            assert news.wait_for(what, PATIENCE), sync.status()

    def is_saved() -> bool:
        return sync.status().error is None and remote(strict_s3) == local(home)

    sync.on_change = hear
    try:
        sync.start()
        wait_for(is_saved)

        # S3 says that it has no time, again and again.
        proxy.refuse(True)
        write(home, numbered(0, 40), "changed")
        wait_for(lambda: sync.status().error is not None)
        begun, before, heard = time.monotonic(), proxy.requests, told
        wait_for(lambda: told >= heard + 4)
        assert proxy.requests - before < 100 * (time.monotonic() - begun + 2)
        proxy.refuse(False)
        wait_for(is_saved)

        # Nobody is there at all.
        proxy.stop()
        write(home, numbered(20, 60), "changed again")
        wait_for(lambda: sync.status().error is not None and sync.status().pending_files == 40)
        proxy.start()
        wait_for(is_saved)
        assert sync.conflicts() == ()
    finally:
        sync.stop()


def test_the_server_answers_while_s3_is_slow_silent_or_gone(
    proxy: Haproxy, strict_s3: StrictS3, tmp_path: Path
) -> None:
    environment = {
        **aws_settings(proxy),
        "WHEROBOTS_BUCKET": proxy.bucket,
        "WHEROBOTS_ORGANIZATION": "org",
        "WHEROBOTS_USER": "abc",
        "WHEROBOTS_HOME_PERSISTENCE": "sync",
        "WHEROBOTS_SYNC_INTERVAL": "1",
    }
    with jupyter(tmp_path, environment) as server:

        def ask_until(true: Callable[[dict[str, Any]], bool]) -> None:
            """Ask for the server's status, and for the mirror's until it is as it should be."""
            until = time.monotonic() + PATIENCE
            while True:
                assert server.request("GET", "api/status", timeout=10)[0] == 200
                status, sync = server.request("GET", "wherobots/sync", timeout=10)
                assert status == 200
                if true(sync):
                    return
                assert time.monotonic() < until, f"{sync}\n{server.output.text}"

        proxy.latency(0.1)
        write(server.home, numbered(0, 200))
        ask_until(lambda sync: set(numbered(0, 200)) <= set(remote(strict_s3)))
        proxy.latency(0)

        proxy.stop()
        write(server.home, ["gone.txt"])
        ask_until(lambda sync: sync["error"] is not None)
        proxy.start()
        ask_until(lambda sync: "gone.txt" in remote(strict_s3))

        # The answer to a write never comes; the stop is in time all the same, and finds that it was done.
        proxy.hang(1, only="silent.txt")
        write(server.home, ["silent.txt"])
        ask_until(lambda sync: "silent.txt" in remote(strict_s3) and sync["pendingFiles"] > 0)
        proxy.hang(0)
        assert server.stop(signal.SIGTERM) == 0
        assert "Home is saved in full" in server.output.text
        held = remote(strict_s3)
        assert {"gone.txt", "silent.txt", *numbered(0, 200)} <= set(held)
        assert {name: body for name, body in local(server.home).items() if name in held} == held
