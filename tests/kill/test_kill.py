"""Killed at any moment, started again: nothing is lost, in home or in S3. Real processes, SIGKILL.

Store: the strict S3, in this process, which looks at every change that is made to it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import aws_settings
from tests.kill.story import PREFIX
from tests.model.model import Thing, is_users, key_of
from tests.model.world import RecordedBucket, Recorder, failpoint_names, thing_of, tree_of
from tests.strict_s3 import Call, StrictS3, When

pytestmark = pytest.mark.process

PRECIOUS = (b"keep", b"foreign", b'{"cells"')


class Zygote:
    """The process that forks."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.kills = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kill.zygote"],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, told: Callable[[int], None] = lambda _: None, **order: object) -> tuple[int, str]:
        """Exit code (negative: the signal) and words of one process; ``told`` gets its id first."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told(self._read()["pid"])
        answer = self._read()
        self.kills += answer["status"] == -signal.SIGKILL
        return answer["status"], answer["said"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        self._process.communicate()


class Scene:
    """One home, one S3 that watches what is precious, and processes between them."""

    def __init__(self, zygote: Zygote, s3: StrictS3, folder: Path) -> None:
        self.s3 = s3
        self.home, self.state = folder / "home", folder / "state"
        self.home.mkdir()
        self.recorder = Recorder()
        self._zygote = zygote
        s3._state.buckets[s3.bucket] = RecordedBucket(s3.bucket, self.recorder)

    def run(
        self,
        do: str,
        *,
        failpoint: str | None = None,
        told: Callable[[int], None] = lambda _: None,
        home: Path | None = None,
        state: Path | None = None,
    ) -> tuple[int, str]:
        place = {"home": str(home or self.home), "state": str(state or self.state)}
        order = {**place, "do": do, "bucket": self.s3.bucket, "failpoint": failpoint}
        return self._zygote.run(told, **order)

    def stored(self) -> dict[str, Thing]:
        """The person's objects, by key."""
        keys = self.s3.keys(PREFIX)
        found = {key: thing_of(version) for key in keys if (version := self.s3.object(key))}
        return {key: thing for key, thing in found.items() if is_users(key, thing)}

    def check_history(self) -> None:
        """At no moment was anything precious missing that had been there."""
        now: dict[str, bytes] = {}
        for change in self.recorder.changes:
            before = now.pop(change.key, b"")
            if change.after is not None:
                now[change.key] = change.after.thing.body
            lost = before.startswith(PRECIOUS) and before not in now.values()
            assert not lost, change

    def check_pod_lost(self, folder: Path) -> None:
        """What is in S3 now comes back, all of it, in an instance that has nothing else."""
        self.s3.wait_until_left()
        wanted = sorted(self.stored().values())
        code, said = self.run("recover", home=folder / "home", state=folder / "state")
        assert (code, said) == (0, ""), said
        assert sorted(tree_of(folder / "home").values()) == wanted

    def check_started_again(self) -> None:
        """The same home, after the kill: everything in it is saved, and everything of others is there."""
        before = tree_of(self.home)
        code, said = self.run("recover")
        assert (code, said) == (0, ""), said
        after, stored = tree_of(self.home), self.stored()
        aside = set(tree_of(self.state / "replaced").values())
        for path, thing in before.items():
            assert after[path] == thing or thing in aside, path
        for path, thing in after.items():
            if path != b"odd/%2F/key":  # whose key is odd//key
                assert stored.get(key_of(path)) == thing, path
        assert self.s3.uploads() == []
        assert PREFIX + "trash.txt" not in stored or b"trash.txt" in after
        (journal,) = self.state.glob("journal-*.db")
        with sqlite3.connect(journal) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert database.execute("SELECT * FROM intent").fetchall() == []
        database.close()
        self.check_history()


@pytest.fixture(scope="module")
def server() -> Iterator[StrictS3]:
    with StrictS3() as found:
        yield found


@pytest.fixture(scope="module")
def zygote(server: StrictS3) -> Iterator[Zygote]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    found = Zygote({**kept, **aws_settings(server)})
    yield found
    found.close()
    print(f"kill: {found.kills} processes were killed")


@pytest.fixture
def scene(zygote: Zygote, server: StrictS3, tmp_path: Path) -> Scene:
    server.reset()
    return Scene(zygote, server, tmp_path)


def test_a_day_without_a_kill(scene: Scene, tmp_path: Path) -> None:
    """What the others compare with: the story goes well by itself, and meets every failpoint but these."""
    code, said = scene.run("whole")
    assert code == 0, said
    scene.check_pod_lost(tmp_path / "new")
    scene.check_started_again()


@pytest.mark.parametrize("point", failpoint_names())
def test_a_kill_at_a_named_place(scene: Scene, tmp_path: Path, point: str) -> None:
    code, said = scene.run("whole", failpoint=point)
    assert code == -signal.SIGKILL, said
    scene.check_pod_lost(tmp_path / "new")
    scene.check_started_again()


@pytest.mark.long
@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("point", failpoint_names())
def test_a_kill_at_a_named_place_later(
    scene: Scene, tmp_path: Path, point: str, count: int
) -> None:
    """The same where the place is reached once more; a story that ends before is as good as another without a kill."""
    code, said = scene.run("whole", failpoint=f"{point}@{count}")
    assert code in (0, -signal.SIGKILL), said
    scene.check_pod_lost(tmp_path / "new")
    scene.check_started_again()


def kill_at_request(scene: Scene, number: int, when: When) -> tuple[int, str]:
    """Kill the process when S3 has got, or has done, so many requests of it."""
    process = 0
    left = number

    def told(pid: int) -> None:
        nonlocal process
        process = pid

    def strike(_: Call) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(process, signal.SIGKILL)

    scene.s3.on(None, strike, when=when)
    try:
        return scene.run("whole", told=told)
    finally:
        scene.s3.heal()


# How many requests the story takes depends on how they fall into passes; it never takes fewer than these.
@pytest.mark.parametrize("number", range(3, 84, 8))
def test_a_kill_at_a_request(scene: Scene, tmp_path: Path, number: int) -> None:
    """Before it is carried out, or after, so that nobody hears the answer."""
    code, said = kill_at_request(scene, number, When.BEFORE if number % 2 else When.AFTER)
    assert code == -signal.SIGKILL, said
    scene.check_pod_lost(tmp_path / "new")
    scene.check_started_again()


@pytest.mark.long
@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("number", range(1, 150))
def test_a_kill_at_any_request(scene: Scene, tmp_path: Path, number: int, when: When) -> None:
    code, said = kill_at_request(scene, number, when)
    assert code in (0, -signal.SIGKILL), said
    scene.check_pod_lost(tmp_path / "new")
    scene.check_started_again()


@pytest.fixture(scope="module")
def whole(zygote: Zygote, server: StrictS3, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that the story takes here."""
    server.reset()
    began = time.monotonic()
    code, said = Scene(zygote, server, tmp_path_factory.mktemp("whole")).run("whole")
    assert code == 0, said
    return time.monotonic() - began


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100))
def test_a_kill_at_any_time(scene: Scene, tmp_path: Path, whole: float, seed: int) -> None:
    """Wherever the process is then, in whatever thread."""
    after = random.Random(seed).uniform(0, whole)
    over = threading.Event()

    def strike(process: int) -> None:
        over.wait(after)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)

    def told(pid: int) -> None:
        threading.Thread(target=strike, args=(os.pidfd_open(pid),)).start()

    code, said = scene.run("whole", told=told)
    over.set()
    assert code in (0, -signal.SIGKILL), said
    scene.check_pod_lost(tmp_path / "new")
    scene.check_started_again()
