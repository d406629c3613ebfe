"""While home is scanned and saved another process moves, truncates and swaps everything in it.

Nothing torn and nothing from outside ever gets to S3, nothing that was there all the time is ever deleted there, and in the
end S3 is what home is.

Store: the strict S3, whose every request is looked at.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_wherobots.sync.clock import Deadline
from jupyter_wherobots.sync.passes import Kind, Order
from jupyter_wherobots.sync.service import HomeSync
from tests.adversary.conftest import Restored, at_work, described
from tests.adversary.mover import PAGE, REPLACED, STEADY
from tests.model.world import RecordedBucket, Recorder
from tests.strict_s3 import Call
from tests.sync.conftest import PREFIX, Place

SECRET = b"what lies outside of home "
_IN_ACCESS = 1


class Outside:
    """Files beside home that nobody is to read; the kernel tells if somebody does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "r").mkdir(parents=True)
        for name in ("a", "b", "c", "d", "e", "r/a", "r/b"):
            (folder / name).write_bytes(SECRET + name.encode())
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for each in (folder, folder / "r"):
            # Of a folder it tells too, when it is listed.
            found = libc.inotify_add_watch(self._watch, os.fsencode(each), _IN_ACCESS)
            assert found >= 0, os.strerror(ctypes.get_errno())

    def was_read(self) -> bool:
        try:
            return bool(os.read(self._watch, PAGE))
        except BlockingIOError:
            return False

    def check_untouched(self) -> None:
        assert not self.was_read()
        for file in ("a", "b", "c", "d", "e", "r/a", "r/b"):
            assert (self.folder / file).read_bytes() == SECRET + file.encode()
        assert self.was_read(), "the watch does not work"

    def close(self) -> None:
        os.close(self._watch)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    made = Outside(tmp_path / "outside")
    yield made
    made.close()


@pytest.fixture
def recorder(place: Place) -> Recorder:
    """Every change of a key; and no request with a secret in it."""
    made = Recorder()
    place.s3._state.buckets[place.s3.bucket] = RecordedBucket(place.s3.bucket, made)

    def look(call: Call) -> None:
        assert SECRET not in call.request.body, call.key

    place.s3.on(None, look)
    return made


def look_again(sync: HomeSync, kind: Kind, *folders: bytes) -> None:
    """A pass as the schedule makes it upon hints."""
    session = sync._session
    with session.passing:
        session.make_pass(Order(kind, frozenset(folders)), Deadline(session.clock, None))


def torment(place: Place, outside: Outside, recorder: Recorder, seed: int, rounds: int) -> None:
    with place.engine() as sync:
        sync.restore()
        with at_work("mover", place.home, outside.folder, seed):
            for _ in range(rounds):
                sync.run_pass()
                look_again(sync, Kind.HINTED)
                look_again(sync, Kind.FOLDERS, b"", b"q", b"q/r", b"p/a")
        for _ in range(8):
            report = sync.run_pass()
            sync.confirm_deletes()
        assert report.complete, report
        assert report.uploaded == report.deleted == report.pending_deletes.count == 0, report
    outside.check_untouched()
    home = os.fsencode(place.home)
    assert place.remote() == {
        os.fsdecode(path): os.readlink(home + b"/" + path) if kind == "link" else rest[2]
        for path, (kind, *rest) in described(place.home).items()
        if kind != "folder"
    }
    assert len(recorder.changes) > rounds
    always = {PREFIX + name for name in (*STEADY, *REPLACED)}
    for change in recorder.changes:
        if change.after is None:
            assert change.key not in always
        elif not change.key.startswith(PREFIX + ".wherobots/"):
            kind, body = change.after.thing
            assert kind == "link" or len(set(body)) <= 1, f"torn: {change.key}"


@pytest.mark.process
@pytest.mark.parametrize("seed", range(2))
def test_the_ground_moves(
    place: Place, restored: Restored, outside: Outside, recorder: Recorder, seed: int
) -> None:
    torment(place, outside, recorder, seed, 10)
    assert described(restored()) == described(place.home)


@pytest.mark.process
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10, 20))
def test_the_ground_moves_for_long(
    place: Place, restored: Restored, outside: Outside, recorder: Recorder, seed: int
) -> None:
    torment(place, outside, recorder, seed, 150)
    assert described(restored()) == described(place.home)


def test_a_hint_does_not_lead_out_of_home(
    place: Place, outside: Outside, recorder: Recorder
) -> None:
    """A folder was watched, then one above it became a link to where another of its name lies."""
    place.write("d/r/a", b"mine")
    with place.engine() as sync:
        sync.run_pass()
        (place.home / "d").rename(place.home / "e")
        (place.home / "d").symlink_to(outside.folder)
        (outside.folder / ".wherobotsignore").write_bytes(b"*")
        look_again(sync, Kind.FOLDERS, b"d/r")
        outside.check_untouched()
        sync.run_pass()
    assert place.remote()["e/r/a"] == b"mine"
    assert recorder.changes
