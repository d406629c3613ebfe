"""A saved file is in S3 within seconds, and the scan is the truth all the same."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from jupyter_wherobots import mounts
from jupyter_wherobots.sync import watch
from jupyter_wherobots.sync.clock import Deadline
from jupyter_wherobots.sync.passes import Kind, Order
from jupyter_wherobots.sync.schedule import Schedule
from jupyter_wherobots.sync.status import NotDurable, PassReport, Why
from jupyter_wherobots.sync.watch import Watcher
from tests.sync.conftest import Place, QuickClock


class Hand(QuickClock):
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def random(self) -> float:
        return 0.5


DONE = PassReport(complete=True)


def test_a_save_is_in_s3_without_waiting_for_the_scan(place: Place) -> None:
    place.write("d/nb.ipynb", b'{"cells": []}')
    sync = place.engine(interval=3600.0, hints=True)
    sync.start()
    assert sync.wait_restored(10)
    place.s3.wait_until(lambda: len(place.remote()) == 1)
    watching = threading.Event()
    sync.on_change = lambda status: watching.set() if "file events" in status.hints else None
    newer = json.dumps({"cells": [1]}).encode()
    place.write("d/nb.ipynb", newer)
    place.s3.wait_until(lambda: place.remote().get("d/nb.ipynb") == newer)
    # A new folder, and what is in it.
    place.write("new/deep/er/x")
    place.s3.wait_until(lambda: "new/deep/er/x" in place.remote())
    place.write("new/deep/er/y")
    place.s3.wait_until(lambda: "new/deep/er/y" in place.remote())
    assert watching.wait(10)


def test_no_watch_outlives_the_stop(place: Place) -> None:
    """A thread inside watchfiles at the end of the interpreter ends the process by a signal."""
    place.write("d/nb.ipynb", b"{}")
    sync = place.engine(interval=3600.0, hints=True)
    watching = threading.Event()
    sync.on_change = lambda status: watching.set() if "file events" in status.hints else None
    before = set(threading.enumerate())
    sync.start()
    assert watching.wait(30)
    sync.stop()
    left = [each for each in set(threading.enumerate()) - before if each.name == "wherobots-watch"]
    assert left == []


def test_a_watch_tells_of_its_folders_and_follows_no_link(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "in").mkdir(parents=True)
    outside.mkdir()
    (home / "link").symlink_to(outside)
    stop, told = threading.Event(), threading.Condition()
    hints: set[bytes] = set()

    def hint(folders: set[bytes]) -> None:
        with told:
            hints.update(folders)
            told.notify_all()

    watcher = Watcher(home, hint, stop)
    watcher.watch([b"", b"in"])
    with told:
        assert told.wait_for(lambda: hints >= {b"", b"in"}, 10)
        hints.clear()
    (outside / "file").write_text("x")
    (home / "in/file").write_text("x")
    with told:
        assert told.wait_for(lambda: hints == {b"in"}, 10)
    stop.set()


def test_names_that_are_not_utf8_do_not_end_the_hints(place: Place) -> None:
    sync = place.engine(interval=3600.0, hints=True)
    sync.start()
    assert sync.wait_restored(30)
    place.write("first")
    place.s3.wait_until(lambda: "first" in place.remote(), 30)
    for number in range(3):
        odd = b"d\xe9j\xe0 vu %d" % number
        place.write(odd + b"/\xff")
        place.write(b"\xe9t\xe9 %d.txt" % number)
        place.write(f"d{number}/nb.ipynb", b'{"cells": []}')
        place.s3.wait_until(lambda: f"d{number}/nb.ipynb" in place.remote(), 30)  # noqa: B023
    assert "only in part" not in sync.status().hints


def test_watches_of_folders_that_go_meanwhile_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    # The folder goes between the look at it and the beginning of the watch.
    monkeypatch.setattr(os.path, "isdir", lambda _: True)
    stop, told = threading.Event(), threading.Event()
    watcher = Watcher(tmp_path, lambda _: told.set(), stop)

    def watch(*folders: bytes) -> None:
        told.clear()
        before = watches()
        watcher.watch(folders)
        for thread in watches() - before:
            if b"gone" in folders:
                thread.join(30)

    def watches() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == "wherobots-watch"}

    try:
        watch(b"")
        assert told.wait(30)
        for _ in range(3):
            watch(b"", b"gone")
            # The one before goes on meanwhile.
            told.clear()
            (tmp_path / "file").write_text("x")
            assert told.wait(30)
            older = watches()
            watch(b"", b"in")
            assert told.wait(30)
            for thread in older:
                thread.join(30)
            assert len(watches()) == 1
    finally:
        stop.set()


# -- the schedule -------------------------------------------------------------------------------------


def test_a_full_pass_comes_first_and_at_every_interval() -> None:
    clock = Hand()
    schedule = Schedule(clock, 120.0)
    assert schedule.wait() == 0
    assert schedule.order() == Order(Kind.FULL)
    schedule.passed(Order(Kind.FULL), DONE, 0.01)
    assert schedule.wait() == 120
    clock.at += 120
    assert schedule.order() == Order(Kind.FULL)


def test_a_hint_brings_a_pass_of_all_of_a_small_home_that_judges_nothing() -> None:
    clock = Hand()
    schedule = Schedule(clock, 120.0)
    schedule.passed(Order(Kind.FULL), DONE, 0.01)
    schedule.hint({b"d"})
    assert schedule.wait() == 0.5
    clock.at += 0.5
    assert schedule.order() == Order(Kind.HINTED)
    schedule.passed(Order(Kind.HINTED), DONE, 0.01)
    assert schedule.wait() == pytest.approx(119.5)


def test_a_hint_brings_a_pass_of_its_folder_alone_in_a_large_home() -> None:
    clock = Hand()
    schedule = Schedule(clock, 120.0)
    schedule.passed(Order(Kind.FULL), DONE, 1.0)
    schedule.hint({b"d"})
    assert schedule.wait() == 10
    clock.at += 10
    order = schedule.order()
    assert order == Order(Kind.FOLDERS, frozenset({b"d"}))
    schedule.passed(order, PassReport(complete=True, seconds=0.01), 1.0)
    schedule.hint({b"e"})
    assert schedule.wait() == 0.5


def test_what_is_being_written_is_looked_at_again_soon_and_then_later() -> None:
    clock = Hand()
    schedule = Schedule(clock, 120.0)
    busy = PassReport(complete=False, not_durable=(NotDurable("a", Why.CHANGING, ""),))
    schedule.passed(Order(Kind.FULL), busy, 0.01)
    waits = []
    for _ in range(7):
        waits.append(schedule.wait())
        clock.at += schedule.wait()
        schedule.passed(schedule.order(), busy, 0.01)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    schedule.passed(Order(Kind.HINTED), DONE, 0.01)
    assert schedule.wait() > 20


def test_an_s3_that_does_not_work_is_asked_ever_more_seldom() -> None:
    clock = Hand()
    schedule = Schedule(clock, 120.0)
    waits = []
    for _ in range(8):
        schedule.passed(Order(Kind.FULL), PassReport(complete=False, error="down"), 0.01)
        schedule.hint({b"d"})  # hints change nothing about it
        waits.append(schedule.wait())
        clock.at += schedule.wait()
    assert waits == [4, 8, 16, 32, 60, 60, 60, 60]
    schedule.passed(Order(Kind.FULL), DONE, 0.01)
    assert schedule.wait() == 0.5


def test_asking_makes_a_full_pass_due() -> None:
    schedule = Schedule(Hand(), 120.0)
    schedule.passed(Order(Kind.FULL), DONE, 1.0)
    schedule.ask()
    assert schedule.wait() == 0
    assert schedule.order() == Order(Kind.FULL)


def test_without_file_events_the_scan_alone_saves_and_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", refuse)
    sync = place.engine(interval=0.1, hints=True)
    said = threading.Event()
    sync.on_change = lambda status: said.set() if "limit reached" in status.hints else None
    sync.start()
    assert sync.wait_restored(10)
    place.write("a")
    place.s3.wait_until(lambda: "a" in place.remote())
    assert said.wait(10)
    assert os.listdir(place.home) == ["a"]


@pytest.mark.parametrize("odd", [False, True])
def test_folders_that_are_not_watched_are_left_to_the_scan_and_said(
    place: Place, monkeypatch: pytest.MonkeyPatch, odd: bool
) -> None:
    """More of them than may be watched, or such whose names watchfiles does not take."""
    deep = b"d/\xff" if odd else b"d/deep"
    place.write(deep + b"/a")
    monkeypatch.setattr(watch, "MOST", 3 if odd else 2)
    sync = place.engine(interval=0.1, hints=True)
    said = threading.Event()
    sync.on_change = lambda status: said.set() if " 2 of 3 folders, " in status.hints else None
    sync.start()
    assert said.wait(30)
    place.write(deep + b"/b", b"unseen by any watch")
    place.s3.wait_until(lambda: b"unseen by any watch" in place.keys().values(), 30)
    place.write(b"d/c")
    place.s3.wait_until(lambda: "d/c" in place.remote(), 30)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "lustre", "9p"])
def test_a_network_file_system_is_said_and_watched_all_the_same(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Events tell of what this machine changes, and the status says that what others change is left to the scan."""
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "22 1 0:20 / / rw - overlay overlay rw\n"
        f"30 22 0:30 / {place.home} rw - {kind} server:/home rw\n"
    )
    monkeypatch.setattr(mounts, "MOUNTINFO", mountinfo)
    sync = place.engine(interval=3600.0, hints=True)
    said = threading.Event()
    words = f"network file system ({kind}): what other machines change is noticed by the scan"
    sync.on_change = lambda status: said.set() if words in status.hints else None
    sync.start()
    assert said.wait(30)
    place.write("a")
    place.s3.wait_until(lambda: "a" in place.remote(), 30)


def test_a_log_that_grows_all_the_time_is_not_sent_upon_every_hint(place: Place) -> None:
    clock = Hand()
    log, notebook = place.write("log"), place.write("nb.ipynb", b'{"cells": []}')
    with place.engine(clock=clock, lease=False) as sync:
        sync.run_pass()

        def hinted() -> PassReport:
            log.write_bytes(log.read_bytes() + b"x")
            notebook.write_bytes(notebook.read_bytes() + b" ")
            session = sync._session
            with session.passing:
                return session.make_pass(Order(Kind.HINTED), Deadline(clock, None))

        clock.at += 2
        assert [(each.path, each.why) for each in hinted().not_durable] == [("log", Why.WAITING)]
        assert place.remote()["nb.ipynb"] == notebook.read_bytes()
        clock.at += 8
        assert hinted().complete
        assert place.remote() == place.local()
        hinted()
        assert sync.run_pass().complete  # somebody asks: nothing waits
        assert place.remote() == place.local()


def test_a_large_file_waits_for_the_full_pass(place: Place) -> None:
    with place.engine(lease=False) as sync:
        sync.run_pass()
        place.write("big", b"x" * (16 * 1024 * 1024 + 1))
        session = sync._session
        with session.passing:
            report = session.make_pass(Order(Kind.HINTED), Deadline(session.clock, None))
        assert [(each.path, each.why) for each in report.not_durable] == [("big", Why.WAITING)]
        assert sync.run_pass().complete
