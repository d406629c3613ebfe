"""Jupyter is killed while it saves, again and again, and the mirror looks on: no bad notebook takes a good one's place in S3.

The saves are jupyter_server's own, in processes of their own. Store: the strict S3, whose every change is looked at.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.adversary.saver import NOTEBOOKS
from tests.model.world import RecordedBucket, Recorder
from tests.sync.conftest import PREFIX, Place

pytestmark = pytest.mark.process


class Saver:
    """Processes that save."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.adversary.saver", home],
            cwd=Path(__file__).parents[2],
            # The signatures of trusted notebooks are a database, where a home has it.
            env={**os.environ, "JUPYTER_DATA_DIR": str(home / ".local/share/jupyter")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def save(self, *, atomic: bool) -> None:
        """Save everything, and let it."""
        self._order(atomic=atomic, rounds=1)
        assert self.ended() == 0

    def begin(self, *, atomic: bool, spared: int, delay: float) -> None:
        """Begin to save; it will be killed."""
        self._order(atomic=atomic, rounds=None, spared=spared, delay=delay)

    def ended(self) -> int:
        """How it ended, once it has."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _order(self, **order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def saver(place: Place) -> Iterator[Saver]:
    made = Saver(place.home)
    yield made
    made.close()


def is_valid(body: bytes) -> bool:
    try:
        document = json.loads(body)
        nbformat.validate(document)
    except (ValueError, nbformat.ValidationError):
        return False
    return bool(document)


def torment(place: Place, saver: Saver, *, atomic: bool, kills: int) -> None:
    recorder = Recorder()
    place.s3._state.buckets[place.s3.bucket] = RecordedBucket(place.s3.bucket, recorder)
    chance = random.Random(kills)
    half_done = 0
    with place.engine() as sync:
        saver.save(atomic=atomic)
        assert sync.run_pass().complete
        for _ in range(kills):
            delay = chance.choice((0.0, 0.0005, 0.003, 0.01)) * chance.random()
            saver.begin(atomic=atomic, spared=chance.randrange(9), delay=delay)
            sync.run_pass()
            assert saver.ended() == -signal.SIGKILL
            half_done += not all(is_valid((place.home / name).read_bytes()) for name in NOTEBOOKS)
            sync.run_pass()
        saver.save(atomic=atomic)
        for _ in range(3):
            report = sync.run_pass()
        assert report.complete, report
    print(f"{half_done} of {kills} kills left a notebook half written")
    assert half_done, "no kill came in the middle of a save"
    check(recorder, strict=atomic)
    remote, local = place.remote(), place.local()
    assert {name: remote[name] for name in NOTEBOOKS} == {name: local[name] for name in NOTEBOOKS}


def check(recorder: Recorder, *, strict: bool) -> None:
    """``strict``: never. Else a bad one may come if it stays what the file is, and only beside the good one."""
    versions = 0
    now: dict[str, bytes] = {}
    judged: dict[bytes, bool] = {}
    for change in recorder.changes:
        before = now.pop(change.key, None)
        if change.after is not None:
            now[change.key] = change.after.thing.body
        if not change.key.endswith(".ipynb"):
            continue
        assert change.after is not None, f"deleted: {change.key}"
        body = change.after.thing.body
        versions += 1
        if not judged.setdefault(body, is_valid(body)) and before and judged[before]:
            assert not strict or change.key[len(PREFIX) :] not in NOTEBOOKS, change.key
            assert before in now.values(), change.key
    assert versions > len(NOTEBOOKS)


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "in-place"])
def test_killed_saves(place: Place, saver: Saver, atomic: bool) -> None:
    torment(place, saver, atomic=atomic, kills=20 if atomic else 10)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "in-place"])
def test_killed_saves_for_long(place: Place, saver: Saver, atomic: bool) -> None:
    torment(place, saver, atomic=atomic, kills=1000)
