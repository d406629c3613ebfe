"""Of two instances of one user only one overwrites and deletes, and the other says so."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from jupyter_wherobots.s3 import multipart
from jupyter_wherobots.s3.client import S3
from jupyter_wherobots.sync.lease import RENEW, TTL
from jupyter_wherobots.sync.service import HomeSync, SyncOptions
from jupyter_wherobots.sync.status import Why
from tests.strict_s3 import Fault
from tests.sync.conftest import PREFIX, Place, QuickClock

LEASE = PREFIX + ".wherobots/lease.json"


class StillClock(QuickClock):
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def other(place: Place, tmp_path: Path) -> HomeSync:
    """Another instance: another home, on another machine as far as anybody can tell."""
    home = tmp_path / "other"
    home.mkdir()
    return place.engine(home=home, state=tmp_path / "other-state")


def test_the_second_instance_only_adds_and_says_so(place: Place, other: HomeSync) -> None:
    place.write("a", b"one")
    with place.engine() as first:
        first.run_pass()
        other.restore()
        (other.home / "a").write_bytes(b"theirs")
        (other.home / "new").write_bytes(b"new")
        report = other.run_pass()
        assert [(each.path, each.why) for each in report.not_durable] == [
            ("a", Why.ANOTHER_INSTANCE)
        ]
        assert place.remote() == {"a": b"one", "new": b"new"}
        lease = other.status().lease
        assert not lease.held
        assert "only adds" in lease.message
        assert first.status().lease.held


def test_the_second_instance_deletes_nothing(place: Place, other: HomeSync) -> None:
    place.write("a")
    place.write("b")
    with place.engine() as first:
        first.run_pass()
        other.restore()
        other.run_pass()
        (other.home / "a").unlink()
        for _ in range(3):
            assert other.run_pass().deleted == 0
    assert set(place.remote()) == {"a", "b"}


def test_the_second_instance_takes_over_when_the_first_is_gone(
    place: Place, other: HomeSync
) -> None:
    place.write("a", b"one")
    with place.engine() as first:
        first.run_pass()
        other.restore()
        (other.home / "a").write_bytes(b"theirs")
        assert not other.run_pass().complete
    assert place.s3.object(LEASE) is None
    assert other.take_over()
    assert other.run_pass().complete
    assert place.remote() == {"a": b"theirs"}


class HastyClock(QuickClock):
    """The pauses between renewals are over at once."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return super().wait(event, 0.01 if seconds == RENEW else seconds)


@pytest.mark.parametrize("dead", [False, True])
def test_a_running_instance_gets_the_lease_by_itself(
    place: Place, tmp_path: Path, dead: bool
) -> None:
    """When the other one has given it back, or has not renewed it for its time: without a restart or a person's word."""
    place.write("a", b"one")
    first = place.engine(clock=QuickClock())
    first.run_pass()
    home = tmp_path / "waiting"
    waiting = place.engine(home=home, state=tmp_path / "waiting-state", clock=HastyClock())
    waiting.restore()
    (home / "a").write_bytes(b"theirs")
    assert [each.why for each in waiting.run_pass().not_durable] == [Why.ANOTHER_INSTANCE]
    asked = place.s3.count("GetObject")
    place.s3.wait_until(lambda: place.s3.count("GetObject") > asked + 3)
    assert not waiting.status().lease.held
    assert place.remote() == {"a": b"one"}
    if dead:
        place.s3.clock.advance(TTL + 1)
    else:
        first.stop()
    engine = waiting._session.opened()
    place.s3.wait_until(engine.may_replace)
    assert waiting.run_pass().complete
    assert place.remote() == {"a": b"theirs"}


def test_a_lease_that_was_not_renewed_is_taken_by_s3s_own_clock(
    place: Place, other: HomeSync
) -> None:
    place.s3.put(LEASE, b'{"engine": "dead", "host": "gone"}')
    other.restore()
    (other.home / "a").write_bytes(b"a")
    assert other.run_pass().complete
    assert not other.status().lease.held
    other.stop()
    place.s3.clock.advance(TTL + 1)
    again = place.engine(home=other.home, state=other.state)
    (other.home / "a").write_bytes(b"b")
    report = again.run_pass()
    assert report.complete
    assert any("without a final pass" in note for note in report.notes)
    assert place.remote() == {"a": b"b"}


def test_a_restart_with_the_same_state_takes_its_own_lease_back(place: Place) -> None:
    place.write("a", b"one")
    first = place.engine()
    first.run_pass()
    first._session.opened().lease = None  # as if it were killed: nothing is given back
    first.stop()
    assert place.s3.object(LEASE) is not None
    place.write("a", b"two")
    with place.engine() as again:
        assert again.run_pass().complete


def test_a_take_over_leaves_the_first_one_only_adding(place: Place, other: HomeSync) -> None:
    clock = StillClock()
    place.write("a", b"one")
    with place.engine(clock=clock) as first:
        first.run_pass()
        other.restore()
        (other.home / "a").write_bytes(b"theirs")
        other.run_pass()
        assert other.take_over()
        assert other.run_pass().complete
        assert place.remote() == {"a": b"theirs"}
        # The first one has not heard of it, but S3 knows: both are kept.
        place.write("a", b"ours")
        (conflict,) = first.run_pass().conflicts
        assert place.remote() == {"a": b"ours", conflict.kept_as: b"theirs"}
        # Once it has, it only adds.
        lease = first._session.opened().lease
        assert lease is not None
        lease._try(force=False)
        place.write("a", b"more")
        assert not first.run_pass().complete


def test_a_holder_that_cannot_renew_stops_overwriting_in_time(place: Place) -> None:
    clock = StillClock()
    place.write("a", b"one")
    with place.engine(clock=clock) as first:
        first.run_pass()
        clock.at += TTL - 31
        place.write("a", b"two")
        assert first.run_pass().complete
        clock.at += 2
        place.write("a", b"three")
        assert [each.why for each in first.run_pass().not_durable] == [Why.ANOTHER_INSTANCE]
        # Nobody has seen another one, so nobody says that there is one.
        assert first.status().lease.message.startswith("The lease on home could not be taken or")
    assert place.remote() == {"a": b"two"}


def test_a_renewal_whose_answer_was_lost_is_still_ours(place: Place) -> None:
    with place.engine() as first:
        place.write("a")
        first.run_pass()
        place.s3.fail("PutObject", Fault.RESET_AFTER, key=LEASE)
        lease = first._session.opened().lease
        assert lease is not None
        with pytest.raises(Exception, match="S3 did not answer"):
            lease._try(force=False)
        assert lease._try(force=False)
        assert lease.held


def test_a_renewal_that_was_refused_because_it_was_repeated_is_still_ours(place: Place) -> None:
    """The client repeats what got no answer by itself, and is told 412 for what it did: twice in a row."""
    with place.engine() as first:
        place.write("a")
        first.run_pass()
        place.s3.fail("PutObject", code="PreconditionFailed", key=LEASE, times=2)
        lease = first._session.opened().lease
        assert lease is not None
        assert lease._try(force=False)
        assert lease.held


def test_a_renewal_of_which_nothing_is_known_does_not_end_the_lease(place: Place) -> None:
    with place.engine() as first:
        place.write("a")
        first.run_pass()
        lease = first._session.opened().lease
        assert lease is not None
        place.s3.fail("PutObject", code="PreconditionFailed", key=LEASE)
        place.s3.fail("GetObject", Fault.RESET_BEFORE, key=LEASE)
        with pytest.raises(Exception, match="S3 did not answer"):
            lease._try(force=False)
        assert lease.held
        assert lease._try(force=False)


def test_an_engine_that_writes_nothing_needs_no_lease(place: Place) -> None:
    with place.engine() as first:
        assert first.run_pass().complete
    assert place.s3.count("PutObject") == 0


def uploading(place: Place) -> tuple[HomeSync, str]:
    """An engine that is going to upload a large file by parts, and the id of a person's own upload."""
    place.write("large", os.urandom((16 << 20) + 1))
    s3 = S3(place.s3.bucket)
    sync = HomeSync(s3, PREFIX, place.home, place.state, options=SyncOptions(hints=False))
    return sync, multipart.create(s3, place.key("by hand"), metadata={})


def test_uploads_of_an_instance_that_died_with_its_state_are_aborted(
    place: Place, other: HomeSync
) -> None:
    """By whoever takes the lease, and nobody else's: S3 does not tell whose an upload is."""
    first, by_hand = uploading(place)
    with place.s3.gate("UploadPart", key=place.key("large")) as gate:
        # Frozen in the middle: what a dead one leaves, except that it will wake up.
        dying = threading.Thread(target=first.run_pass)
        dying.start()
        gate.wait_for_arrivals(timeout=30)
        assert {each.key for each in place.s3.uploads()} == {
            place.key("large"),
            place.key("by hand"),
        }
        place.s3.clock.advance(TTL + 1)
        later = multipart.create(S3(place.s3.bucket), place.key("large"), metadata={})
        (other.home / "a").write_bytes(b"a")
        assert other.run_pass().complete
        assert {each.upload_id for each in place.s3.uploads()} == {by_hand, later}
        gate.release()
        dying.join(60)
    # It was not dead: it has lost nothing, and begun anew.
    assert first.run_pass().complete
    first.stop()
    assert place.remote() == {**place.local(), "a": b"a"}


def test_uploads_that_hung_at_the_stop_are_aborted_by_who_comes_next(
    place: Place, other: HomeSync
) -> None:
    """The state went with the instance; nobody has to wait for the lease, which was given back."""
    first, by_hand = uploading(place)
    first.restore()
    with place.s3.gate("UploadPart", key=place.key("large")) as gate:
        assert not first.final(2).complete
        gate.wait_for_arrivals(timeout=30)
        first.stop()
        assert json.loads(place.s3.body(LEASE))["released"]
        (other.home / "a").write_bytes(b"a")
        assert other.run_pass().complete
        assert other.status().lease.held
        assert [each.upload_id for each in place.s3.uploads()] == [by_hand]


def test_an_upload_that_may_not_be_looked_for_keeps_nothing_from_being_saved(
    place: Place, other: HomeSync
) -> None:
    body = json.dumps({"engine": "dead", "host": "gone", "uploads": ["0123456789abcdef"]})
    place.s3.put(LEASE, body.encode())
    place.s3.clock.advance(TTL + 1)
    place.s3.fail("ListMultipartUploads", code="AccessDenied", times=None)
    place.write("a")
    with place.engine() as first:
        place.s3.fail("PutObject", Fault.RESET_AFTER, key=place.key("a"), times=5)
        place.s3.fail("HeadObject", Fault.RESET_BEFORE, key=place.key("a"), times=20)
        first.run_pass()
    place.s3.heal()
    place.s3.fail("ListMultipartUploads", code="AccessDenied", times=None)
    with place.engine() as again:
        assert again.run_pass().complete
    assert place.remote() == place.local()


def test_uploads_of_old_probes_are_aborted(place: Place) -> None:
    s3 = S3(place.s3.bucket)
    multipart.create(s3, PREFIX + ".wherobots/probe-of-the-dead", metadata={})
    place.s3.clock.advance(2 * 3600)
    young = multipart.create(s3, PREFIX + ".wherobots/probe-of-another", metadata={})
    place.write("a")
    with place.engine(capabilities=None) as sync:
        assert sync.run_pass().complete
    assert [each.upload_id for each in place.s3.uploads()] == [young]
