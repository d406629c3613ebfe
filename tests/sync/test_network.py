"""Whatever S3 and the network do: bounded, visible, nothing lost, and it goes on by itself when they work again."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from jupyter_wherobots.errors import Conflicted, Throttled, Unreachable, WherobotsError
from jupyter_wherobots.sync import last_stop
from jupyter_wherobots.sync.clock import Deadline
from jupyter_wherobots.sync.crew import Governor
from jupyter_wherobots.sync.patience import Halt, Patience
from jupyter_wherobots.sync.status import Why
from tests.strict_s3 import Call, Fault, Quirk
from tests.sync.conftest import PREFIX, Place, QuickClock
from tests.sync.test_restore import elsewhere


def fill(place: Place, count: int) -> None:
    for number in range(count):
        place.write(f"f{number:03d}", b"%d" % number)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.ERROR, "SlowDown"),
        (Fault.ERROR, "InternalError"),
        (Fault.ERROR, "ServiceUnavailable"),
        (Fault.ERROR_AFTER, "InternalError"),
        (Fault.RESET_BEFORE, ""),
        (Fault.RESET_AFTER, ""),
    ],
)
def test_a_third_of_all_requests_failing_loses_nothing(
    place: Place, fault: Fault, code: str
) -> None:
    fill(place, 60)
    with place.engine(lease=False) as sync:
        sync.restore()
        place.s3.fail(None, fault, code=code or "InternalError", probability=0.3, times=None)
        for _ in range(8):
            report = sync.run_pass()
            if report.complete:
                break
        assert report.complete
        assert sync.conflicts() == ()
    assert place.remote() == place.local()


def test_an_error_that_comes_as_a_success_is_one(place: Place) -> None:
    """As S3 answers a copy or a completion that fails after it has begun to answer: nothing is taken for saved."""
    files = {name: place.write(name, name.encode()) for name in ("a.txt", "source", "other")}
    with place.engine() as sync:
        assert sync.run_pass().complete
        place.s3.put(place.key("a.txt"), b"theirs")
        files["a.txt"].write_bytes(b"ours")
        files["source"].rename(place.home / "moved")
        place.write("large", bytes((16 << 20) + 1))
        rules = [
            place.s3.fail(operation, Fault.ERROR_IN_200, times=None)
            for operation in ("CopyObject", "CompleteMultipartUpload")
        ]
        for _ in range(3):
            assert not sync.run_pass().complete
        assert all(rule.hits for rule in rules)
        assert "large" not in place.remote()
        assert place.remote()["a.txt"] == b"theirs"
        place.s3.heal()
        for _ in range(3):
            report = sync.run_pass()
        assert report.complete
        (conflict,) = sync.conflicts()
    assert conflict.kept_as is not None
    assert place.remote() == {**place.local(), conflict.kept_as: b"theirs"}
    assert place.s3.uploads() == []


def test_answers_lost_again_and_again_leave_no_upload_behind(place: Place) -> None:
    place.write("large", os.urandom((16 << 20) + 1))
    with place.engine(lease=False) as sync:
        sync.restore()
        place.s3.fail("CreateMultipartUpload", Fault.RESET_AFTER, times=7)
        while not sync.run_pass().complete:
            pass
    assert place.remote() == place.local()
    assert place.s3.uploads() == []


def test_throttling_halves_the_concurrency() -> None:
    governor = Governor(minimum=4, start=32)
    governor.throttled()
    governor.throttled()  # of the same moment
    assert governor.limit == 16
    governor.judge(10, 1.0)
    governor.throttled()
    assert governor.limit == 8
    for _ in range(5):
        governor.judge(10, 1.0)
        governor.throttled()
    assert governor.limit == 4


def test_concurrency_grows_while_that_pays_and_no_further() -> None:
    governor = Governor(start=32, maximum=256)
    for rate in (100, 150, 220):
        governor.judge(rate, 1.0)
    assert governor.limit == 32 * 3 // 2 * 3 // 2 * 3 // 2
    for rate in (222, 224):
        governor.judge(rate, 1.0)
    assert governor.limit == 32 * 3 // 2 * 3 // 2  # more did not pay


def test_concurrency_begins_with_what_the_network_wants() -> None:
    governor = Governor(maximum=256)
    assert governor.limit == 4
    governor.answered(0.3)  # with the connection, perhaps
    assert governor.limit == 256
    governor.answered(0.03)
    governor.answered(0.05)
    assert governor.limit == 60
    governor.answered(0.0005)
    assert governor.limit == 4
    governor.judge(1000, 1.0)
    governor.answered(0.0004)
    assert governor.limit == 6  # from now on what was measured counts
    throttled = Governor(maximum=256)
    throttled.throttled()
    throttled.answered(0.1)
    assert throttled.limit == 4


def test_s3_that_is_not_there_is_asked_seldom_and_said(place: Place) -> None:
    fill(place, 300)
    with place.engine(lease=False) as sync:
        sync.restore()
        down = place.s3.fail(None, Fault.RESET_BEFORE, times=None)
        report = sync.run_pass()
        assert report.error is not None
        assert report.not_durable_count == 300
        assert down.hits < 200
        assert sync.status().error == report.error
        assert sync.status().pending_files == 300
        place.s3.heal()
        assert sync.run_pass().complete
        assert sync.status().error is None


def test_a_single_file_tells_too_that_s3_is_not_there(place: Place) -> None:
    place.write("a")
    with place.engine(lease=False) as sync:
        sync.run_pass()
        place.write("a", b"changed")
        place.s3.fail(None, Fault.RESET_BEFORE, times=None)
        report = sync.run_pass()
        assert [each.path for each in report.not_durable] == ["a"]
        assert "S3 did not answer" in (report.error or "")
        place.s3.heal()
        assert sync.run_pass().error is None


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "RequestTimeTooSkewed"])
def test_bad_credentials_end_the_pass_at_once_and_are_said(place: Place, code: str) -> None:
    fill(place, 100)
    with place.engine(lease=False) as sync:
        sync.restore()
        refused = place.s3.fail(None, code=code, times=None)
        report = sync.run_pass()
        assert "credentials" in (report.error or "")
        assert report.not_durable_count == 100
        assert refused.hits < 70
        place.s3.heal()
        assert sync.run_pass().complete
    assert len(place.remote()) == 100


def test_a_denied_look_is_no_absence(place: Place) -> None:
    """Who may not read is told AccessDenied for everything: nothing may be taken for deleted."""
    place.write("a", b"one")
    place.write("b")
    with place.engine(lease=False) as sync:
        sync.run_pass()
        place.s3.put(place.key("a"), b"theirs")
        place.write("a", b"ours")
        place.s3.fail("HeadObject", code="AccessDenied", times=None)
        place.s3.fail("GetObject", code="AccessDenied", times=None)
        report = sync.run_pass()
        assert [each.path for each in report.not_durable] == ["a"]
        assert place.remote()["a"] == b"theirs"


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_listing_that_ends_in_the_middle_tells_of_no_deletion(
    place: Place, code: str, restart: bool
) -> None:
    """What its later pages would have named is not taken for deleted in S3: an edit needs no look, and nothing is listed."""
    place.s3.limits.page = 5
    fill(place, 20)
    file = place.home / "f019"
    with place.engine(lease=False) as sync:
        assert sync.run_pass().complete

    def end(_: Call) -> None:
        place.s3.fail("ListObjectsV2", code=code, times=None)

    with place.engine(lease=False) as sync:
        if not restart:
            assert sync.restore().complete
        place.s3.on("ListObjectsV2", end, times=1)
        if restart:
            assert sync.restore().error is not None
        else:
            with pytest.raises(WherobotsError):
                sync.check_remote()
        assert sync.conflicts() == ()
        place.s3.heal()
        file.write_bytes(b"edited")
        (place.home / "f000").unlink()
        for _ in range(3):
            report = sync.run_pass()
        assert report.complete
        assert sync.check_remote() == ()
    assert place.remote() == place.local()


def test_a_restart_whose_listing_fails_is_made_good_when_s3_works_again(place: Place) -> None:
    """Home was whole before, so it is saved at once; but what others put since is still to come."""
    place.write("a", b"one")
    with place.engine() as sync:
        assert sync.run_pass().complete
    place.s3.put(place.key("a"), b"theirs")
    place.s3.put(place.key("new"), b"theirs")
    down = place.s3.fail("ListObjectsV2", code="AccessDenied", times=None)
    place.write("b")
    sync = place.engine(interval=0.05)
    sync.start()
    place.s3.wait_until(lambda: down.hits > 0 and "b" in place.remote(), 20)
    assert not sync.status().restored
    back = threading.Event()
    sync.on_change = lambda status: back.set() if status.restored else None
    place.s3.heal()
    assert back.wait(20)
    assert place.local() == {"a": b"theirs", "b": b"text", "new": b"theirs"}


class Pauses(QuickClock):
    """Takes no time, and remembers how long it was to wait."""

    def __init__(self, chance: float) -> None:
        self.chance = chance
        self.at = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.at += seconds
        return False

    def random(self) -> float:
        return self.chance


@pytest.mark.parametrize("error", [Throttled, Unreachable, Conflicted])
def test_tries_are_few_and_their_pauses_grow_and_are_random_from_nothing_on(
    error: type[WherobotsError],
) -> None:
    def tried(chance: float, seconds: float | None = None) -> list[float]:
        clock, asked = Pauses(chance), 0

        def refuse() -> None:
            nonlocal asked
            asked += 1
            raise error("no")

        halt = Halt(threading.Event(), Deadline(clock, seconds))
        with pytest.raises(error):
            Patience(Governor(), clock, halt).with_request(refuse)
        assert asked == len(clock.pauses) + (seconds is None)
        return clock.pauses

    longest = tried(1.0)
    assert len(longest) == 4
    assert longest == sorted(set(longest))
    assert max(longest) <= 5
    assert tried(0.5) == [each / 2 for each in longest]
    assert tried(0.0) == [0.0] * 4
    assert sum(tried(1.0, seconds=1.0)) == 1.0


def test_passes_go_on_by_themselves_after_an_outage(place: Place) -> None:
    sync = place.engine(interval=0.05, lease=False)
    sync.start()
    assert sync.wait_restored(10)
    down = place.s3.fail(None, Fault.RESET_BEFORE, times=None)
    place.write("a")
    place.s3.wait_until(lambda: down.hits > 3)
    place.s3.heal()
    place.s3.wait_until(lambda: place.remote() == {"a": b"text"}, 20)


# -- stores that do not keep conditions ---------------------------------------------------------------


@pytest.mark.parametrize(
    "quirks",
    [
        {Quirk.IGNORES_IF_MATCH_ON_PUT, Quirk.IGNORES_IF_NONE_MATCH},
        {Quirk.REFUSES_IF_MATCH},
        {Quirk.WANTS_ETAG_UNQUOTED},
        {Quirk.IGNORES_IF_MATCH_ON_DELETE, Quirk.IGNORES_COPY_CONDITIONS},
    ],
)
def test_a_store_that_keeps_no_conditions_is_compared_with_first(
    place: Place, quirks: set[Quirk]
) -> None:
    place.s3.quirks.update(quirks)
    file = place.write("a.txt", b"one")
    with place.engine(capabilities=None) as sync:
        assert sync.run_pass().complete
        file.write_bytes(b"two")
        assert sync.run_pass().complete
        assert place.remote() == {"a.txt": b"two"}
        place.s3.put(place.key("a.txt"), b"theirs")
        file.write_bytes(b"three")
        report = sync.run_pass()
        assert report.complete
        (conflict,) = report.conflicts
        assert place.remote() == {"a.txt": b"three", conflict.kept_as: b"theirs"}
        place.s3.put(place.key("new.txt"), b"theirs")
        place.write("new.txt", b"ours")
        (conflict,) = sync.run_pass().conflicts
        assert place.remote()["new.txt"] == b"ours"
        assert place.remote()[conflict.kept_as or ""] == b"theirs"


def test_a_store_without_conditional_delete_deletes_only_when_told_to(place: Place) -> None:
    place.s3.quirks.add(Quirk.IGNORES_IF_MATCH_ON_DELETE)
    a, _, c = place.write("a"), place.write("b"), place.write("c")
    with place.engine(capabilities=None) as sync:
        sync.run_pass()
        a.unlink()
        for _ in range(3):
            report = sync.run_pass()
        assert set(place.remote()) == {"a", "b", "c"}
        assert any("not deleted in S3" in note for note in report.notes)
    with place.engine(capabilities=None, delete_without_conditions=True) as sync:
        c.unlink()
        place.s3.put(place.key("c"), b"theirs")
        for _ in range(3):
            sync.run_pass()
    assert place.remote() == {"b": b"text", "c": b"theirs"}


# -- the stop -------------------------------------------------------------------------------------------


def test_what_a_stop_lost_is_written_down_and_shown(place: Place, tmp_path: Path) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("saved", b"x")
        place.write("lost", b"12345")
        place.s3.fail("PutObject", code="InternalError", key=place.key("lost"), times=None)
        report = sync.final(10.0)
        assert not report.complete
    local = json.loads((place.state / "last-shutdown.json").read_bytes())
    remote = json.loads(place.s3.body(PREFIX + last_stop.NAME))
    assert local == remote
    assert not local["complete"]
    assert [each["path"] for each in local["notSaved"]] == ["lost"]
    place.s3.heal()
    for state in (place.state, tmp_path / "fresh"):
        home = place.home if state == place.state else tmp_path / "fresh-home"
        with place.engine(home=home, state=state) as again:
            again.restore()
            (lost,) = again.status().lost_at_last_stop
            assert (lost.path, lost.why, lost.size) == ("lost", Why.FAILED, 5)
            if state == place.state:
                continue
            again.final(10.0)
    assert json.loads(place.s3.body(PREFIX + last_stop.NAME))["complete"]


def test_what_a_stop_lost_is_shown_until_home_is_saved(place: Place, tmp_path: Path) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("lost")
        place.s3.fail("PutObject", code="InternalError", key=place.key("lost"), times=None)
        assert not sync.final(10.0).complete
    with place.engine() as again:
        again.restore()
        assert not again.run_pass().complete
        place.s3.heal()
        assert again.run_pass().complete
        assert [each.path for each in again.status().lost_at_last_stop] == ["lost"]
    # That one was killed: what it saved is not lost, neither here nor in a new home.
    for home, state in ((place.home, place.state), (tmp_path / "home2", tmp_path / "state2")):
        with place.engine(home=home, state=state) as third:
            third.restore()
            assert third.status().lost_at_last_stop == ()


def test_what_a_stop_lost_is_settled_once_whatever_the_store_can_do(place: Place) -> None:
    place.s3.quirks.add(Quirk.REFUSES_IF_MATCH)
    with place.engine(capabilities=None) as sync:
        sync.run_pass()
        place.write("lost")
        place.s3.fail("PutObject", code="InternalError", key=place.key("lost"), times=None)
        assert not sync.final(10.0).complete
    place.s3.heal()
    with place.engine(capabilities=None) as again:
        again.restore()
        for _ in range(3):
            assert again.run_pass().complete
        assert json.loads(place.s3.body(PREFIX + last_stop.NAME))["complete"]
        asked = place.s3.count()
        assert again.run_pass().complete
        assert place.s3.count() == asked


def test_a_stop_whose_time_is_over_before_the_scan_names_what_was_not_saved(place: Place) -> None:
    with place.engine(lease=False) as sync:
        place.write("a", b"one")
        sync.run_pass()
        place.write("a", b"two")
        # What the watcher has seen goes first, and takes all the time there is.
        sync._session.schedule.hint([b""])
        with place.s3.gate("PutObject", key=place.key("a")):
            report = sync.final(2.0)
    assert not report.complete
    assert [each.path for each in report.not_durable] == ["a"]


def test_a_stop_without_s3_is_written_down_here(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("lost")
        place.s3.fail(None, Fault.RESET_BEFORE, times=None)
        sync.final(2.0)
    found = json.loads((place.state / "last-shutdown.json").read_bytes())
    assert [each["path"] for each in found["notSaved"]] == ["lost"]


def test_a_second_to_stop_saves_the_newest_notebooks_first(place: Place) -> None:
    with place.engine(concurrency=1) as sync:
        sync.run_pass()
        order: list[str] = []
        lock = threading.Lock()
        for number in range(30):
            file = place.write(f"data{number}.csv")
            os.utime(file, ns=(number, number))
        for number in range(5):
            file = place.write(f"nb{number}.ipynb", b'{"cells": []}')
            os.utime(file, ns=(number, number))

        def saw(call: object) -> None:
            with lock:
                order.append(call.key[len(PREFIX) :])  # type: ignore[attr-defined]

        place.s3.on("PutObject", saw, key=place.key("*.[ic]*"))
        sync.final(10.0)
    assert order[:6] == [*(f"nb{number}.ipynb" for number in (4, 3, 2, 1, 0)), "data29.csv"]


def test_a_disk_that_fills_up_during_the_restore_is_said_and_resumed(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        place.s3.put(PREFIX + f"f{number}", b"x" * 1000)
    sync, home = elsewhere(place, tmp_path)
    real = os.write
    full = {"now": True}

    def write(fd: int, data: bytes) -> int:
        if full["now"] and stat.S_ISREG(os.fstat(fd).st_mode) and len(data) == 1000:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    report = sync.restore()
    assert not report.complete
    assert {each.message for each in report.failed} == {"The disk is full."}
    assert place.local(home) == {}
    full["now"] = False
    assert sync.restore().complete
    assert len(place.local(home)) == 3
