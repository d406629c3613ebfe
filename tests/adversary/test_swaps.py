"""Files that change places: what was in S3 under one name or another is there at every moment, and comes back after a death.

Store: the strict S3, whose every change is looked at.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_wherobots.sync.clock import Deadline
from jupyter_wherobots.sync.passes import Kind, Order
from tests.adversary.conftest import Restored
from tests.model.world import RecordedBucket, Recorder
from tests.sync.conftest import PREFIX, Place

LARGE = b"L" * (17 * 1024 * 1024)


@pytest.fixture
def recorder(place: Place) -> Recorder:
    made = Recorder()
    place.s3._state.buckets[place.s3.bucket] = RecordedBucket(place.s3.bucket, made)
    return made


def change_places(home: Path, *names: str) -> None:
    """Each gets the place of the next one."""
    (home / names[-1]).rename(home / "between")
    for to, name in zip(names[:0:-1], names[-2::-1], strict=True):
        (home / name).rename(home / to)
    (home / "between").rename(home / names[0])


def check_always_there(recorder: Recorder, *bodies: bytes) -> None:
    """Once it was there, it always was."""
    now: dict[str, bytes] = {}
    seen: set[bytes] = set()
    for change in recorder.changes:
        now.pop(change.key, None)
        if change.after is not None and not change.key.startswith(PREFIX + ".wherobots/l"):
            now[change.key] = change.after.thing.body
        seen |= set(bodies) & set(now.values())
        assert seen <= set(now.values()), (change.key, sorted(now))
    assert seen == set(bodies)


@pytest.mark.parametrize(
    "names",
    [
        ("a", "b"),
        ("a.txt", "folder/b"),
        ("a", "b", "c"),
        ("d/1", "d/2", "d/3", "d/4"),
        ("\udcff", "b"),
    ],
    ids=["two", "across", "three", "four", "odd"],
)
def test_they_change_places(place: Place, recorder: Recorder, names: tuple[str, ...]) -> None:
    bodies = [b"the body of " + str(number).encode() * number for number in range(len(names))]
    for name, body in zip(names, bodies, strict=True):
        place.write(name, body)
    with place.engine() as sync:
        assert sync.run_pass().complete
        change_places(place.home, *names)
        assert sync.run_pass().complete
        if "\udcff" not in names:
            assert place.remote() == place.local()
        before = place.s3.counts
        sync.run_pass()
        sync.run_pass()
        assert place.s3.counts == before
    check_always_there(recorder, *bodies)


def test_two_pairs_and_a_bystander(place: Place, recorder: Recorder) -> None:
    for name in "abcde":
        place.write(name, name.encode() * 9)
    with place.engine() as sync:
        sync.run_pass()
        change_places(place.home, "a", "b")
        change_places(place.home, "c", "d")
        assert sync.run_pass().complete
    assert place.remote() == place.local()
    check_always_there(recorder, *(name.encode() * 9 for name in "abcde"))


@pytest.mark.parametrize("fails", ["a.txt", "b.txt"])
def test_an_instance_that_dies_between(
    place: Place, recorder: Recorder, restored: Restored, fails: str
) -> None:
    place.write("a.txt", b"one")
    place.write("b.txt", b"the other")
    with place.engine() as sync:
        sync.run_pass()
        change_places(place.home, "a.txt", "b.txt")
        place.s3.fail("PutObject", key=place.key(fails), times=None)
        assert not sync.run_pass().complete
        found = {file.name: file.read_bytes() for file in restored().iterdir()}
        assert {b"one", b"the other"} <= set(found.values())
        (extra,) = found.keys() - {"a.txt", "b.txt"}
        assert " (earlier version 20" in extra
        assert extra.endswith(").txt")
        place.s3.heal()
        for _ in range(2):
            report = sync.run_pass()
        assert report.complete
    assert place.remote() == place.local()
    check_always_there(recorder, b"one", b"the other")


def test_a_process_that_is_killed_between_leaves_nothing(place: Place, recorder: Recorder) -> None:
    place.write("a", b"one")
    place.write("b", b"the other")
    with place.engine() as sync:
        sync.run_pass()
        change_places(place.home, "a", "b")
        place.s3.fail("PutObject", code="AccessDenied", times=None)
        sync.run_pass()
    assert len(place.remote()) == 3
    place.s3.heal()
    with place.engine() as sync:
        sync.restore()
        assert set(place.local()) == {"a", "b"}
        for _ in range(2):
            report = sync.run_pass()
        assert report.complete
    assert place.remote() == place.local()
    check_always_there(recorder, b"one", b"the other")


def test_what_was_edited_since_is_not_kept(place: Place) -> None:
    """Inodes are used again as soon as they are free, so saves that replace a file often look like this."""
    place.write("a", b"one")
    place.write("b", b"the other")
    with place.engine() as sync:
        sync.run_pass()
        change_places(place.home, "a", "b")
        place.write("a", b"one, edited")
        place.write("b", b"the other, edited")
        assert sync.run_pass().complete
    assert place.remote() == place.local()
    assert place.asked("CopyObject") == 0


def test_a_mere_hint_does_not_overwrite_what_it_does_not_send(
    place: Place, recorder: Recorder
) -> None:
    """Upon a hint nothing large is sent; so what took its place has to wait as well."""
    place.write("big", LARGE)
    with place.engine() as sync:
        sync.run_pass()
    with place.engine() as sync:
        sync.restore()
        (place.home / "big").rename(place.home / "big.old")
        place.write("big", b"new")
        session = sync._session
        with session.passing:
            session.make_pass(Order(Kind.HINTED), Deadline(session.clock, None))
        assert place.remote() == {"big": LARGE}
        for _ in range(2):
            sync.run_pass()
    assert place.remote() == place.local()
    check_always_there(recorder, LARGE)
