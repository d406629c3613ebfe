"""The door: one engine a home, deadlines that hold, a stop that always ends."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from jupyter_wherobots.errors import AlreadyRunning, StorageFailed
from jupyter_wherobots.sync import last_stop, session
from jupyter_wherobots.sync.status import Phase, SyncStatus, Why
from tests.strict_s3 import Fault
from tests.sync.conftest import PREFIX, Place


def test_a_second_engine_of_one_home_fails_and_says_who_has_it(place: Place) -> None:
    with place.engine(), pytest.raises(AlreadyRunning, match=str(os.getpid())):
        place.engine().run_pass()


def test_another_state_does_not_let_a_second_engine_in(place: Place, tmp_path: Path) -> None:
    with place.engine(), pytest.raises(AlreadyRunning, match=str(os.getpid())):
        place.engine(state=tmp_path / "other-state").run_pass()


def test_the_lock_is_free_after_stop(place: Place) -> None:
    with place.engine() as sync:
        sync.stop()
        place.engine().open()


def test_a_state_that_cannot_be_written_is_said(place: Place) -> None:
    place.state.write_text("a file in the way")
    with pytest.raises(StorageFailed, match="state"):
        place.engine().open()


def test_what_cannot_be_used_is_called_by_its_name(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root may write everywhere, so the file system itself is made to refuse.
    real = os.open

    def refuse(path: object, flags: int, *args: object, **options: object) -> int:
        if flags & (os.O_CREAT | os.O_RDWR) and str(path).startswith(str(refused)):
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    for refused in (place.home, place.state):
        with pytest.raises(StorageFailed, match=f"^{refused} cannot be used: Permission denied"):
            place.engine().open()


def test_a_journal_that_has_no_room_is_said_once_and_tried_again(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with place.engine() as sync:
        assert sync.run_pass().complete
        journal = sync._session.opened().journal
        journal._db.execute("PRAGMA max_page_count = 1")
        for number in range(300):
            place.write(f"f{number}")
        report = sync.run_pass()
        assert not report.complete
        assert report.error is not None
        assert f"{place.state} cannot be used: database or disk is full" in report.error
        assert not [
            each for each in caplog.records if each.exc_info
        ]  # where in the code helps nobody
        journal._db.execute("PRAGMA max_page_count = 1000000")
        assert sync.run_pass().complete
    assert place.remote() == place.local()


def test_a_home_that_does_not_come_back_in_full_says_so(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.s3.put(PREFIX + "data.parquet", b"bytes")
    real, room = os.fstatvfs, threading.Event()

    def full(fd: int) -> os.statvfs_result:
        found = real(fd)
        return found if room.is_set() else os.statvfs_result((*found[:4], 0, *found[5:10]))

    monkeypatch.setattr(os, "fstatvfs", full)
    home = tmp_path / "other"
    sync = place.engine(home=home, interval=3600.0)
    said, told = threading.Event(), threading.Event()

    def changed(status: SyncStatus) -> None:
        if any("1 file is not restored yet" in each and "room" in each for each in status.notes):
            said.set()
        if status.restored and status.saved_at is not None and not status.notes:
            told.set()

    sync.on_change = changed
    sync.start()
    assert said.wait(30)
    (home / "new").write_text("new")
    report = sync.run_pass()
    assert (report.complete, report.error, report.not_durable_count) == (False, None, 0)
    assert place.remote()["new"] == b"new"
    room.set()
    assert told.wait(60)
    assert place.local(home) == {"data.parquet": b"bytes", "new": b"new"}


@pytest.mark.parametrize("where", ["header", "middle", "end"])
def test_a_damaged_journal_is_put_aside_and_nothing_is_lost(
    place: Place, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    for number in range(300):
        place.write(f"f{number}", b"%d" % number)
    with place.engine() as sync:
        assert sync.run_pass().complete
    (journal,) = place.state.glob("journal-*.db")
    size = journal.stat().st_size
    # Of many pages, for one alone may be a free one.
    start, stop = {"header": (0, 4096), "middle": (size // 4, size // 2), "end": (size // 2, size)}[
        where
    ]
    with journal.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * (stop - start))
    place.write("f7", b"changed while nobody looked")
    (place.home / "f8").unlink()
    with place.engine() as sync:
        assert sync.restore().complete
        assert sync.run_pass().complete
        assert sync.run_pass().deleted == 0
    assert "is damaged" in caplog.text
    assert journal.with_name(journal.name + ".damaged").exists()
    # What is gone from home may be what was lost; and which f7 is the newer one nobody knows any more: ours is put aside.
    remote = place.remote()
    assert remote["f8"] == b"8"
    assert remote.keys() >= {f"f{number}" for number in range(300)}
    aside = {file.read_bytes() for file in place.state.rglob("f7*") if file.is_file()}
    assert {b"7", b"changed while nobody looked"} <= aside | set(remote.values())


def test_state_inside_home_is_not_mirrored(place: Place) -> None:
    place.write("a")
    with place.engine(state=place.home / ".local/state/w") as sync:
        report = sync.run_pass()
    assert report.complete
    assert place.remote() == {"a": b"text"}
    assert [each.path for each in report.skipped] == [".local/state/w/"]


def test_nothing_is_left_in_home(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    with place.engine() as sync:
        sync.restore()
        sync.run_pass()
        sync.final(5.0)
    assert sorted(os.listdir(place.home)) == ["a"]


def test_a_deadline_names_what_was_not_saved(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("a")
        with place.s3.gate("PutObject", key=place.key("*")):
            began = time.monotonic()
            report = sync.run_pass(deadline=0.5)
            assert time.monotonic() - began < 3
    assert not report.complete
    assert [(each.path, each.why) for each in report.not_durable] == [("a", Why.WAITING)]


def test_the_final_pass_ends_in_time_whatever_s3_does(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("a")
        with place.s3.gate(), place.s3.gate("PutObject"):
            began = time.monotonic()
            report = sync.final(0.5)
            assert time.monotonic() - began < 2
    assert not report.complete
    assert report.not_durable_count == 1


def test_the_final_pass_interrupts_a_pass_that_hangs(place: Place) -> None:
    with place.engine() as sync:
        sync.run_pass()
        place.write("a", b"one")
        with place.s3.gate("PutObject", key=place.key("*")) as gate:
            running = threading.Thread(target=sync.run_pass)
            running.start()
            gate.wait_for_arrivals()
            place.write("b")
            gate_free = sync.final(0.5)
        running.join()
    assert not gate_free.complete
    assert {each.path for each in gate_free.not_durable} == {"a", "b"}


def test_a_large_file_that_the_stop_cuts_off_is_named_and_leaves_no_upload(place: Place) -> None:
    """S3 answers, but slowly: the version before stays, and the process aborts what it has begun while it still can."""
    file = place.write("large", b"one" + bytes(17 << 20))
    place.write("other")
    with place.engine() as sync:
        assert sync.run_pass().complete
        before = place.remote()
        file.write_bytes(b"two" + bytes(17 << 20))
        place.write("nb.ipynb", b'{"cells": []}')
        place.s3.fail("UploadPart", Fault.SLOW, key=place.key("large"), times=None, seconds=2.0)
        report = sync.final(1.0)
        assert [each.path for each in report.not_durable] == ["large"]
        place.s3.wait_until(lambda: place.asked("AbortMultipartUpload", "large") == 1, 20)
    assert place.s3.uploads() == []
    assert place.remote() == {**before, "nb.ipynb": b'{"cells": []}'}


def test_the_final_pass_waits_for_no_pass_that_was_asked_for_before(place: Place) -> None:
    """A platform that asks for a pass, and then sends its signal while that one still waits for its turn."""
    with place.engine() as sync:
        sync.run_pass()
        place.write("slow")
        with place.s3.gate("PutObject", key=place.key("slow")) as gate:
            running = threading.Thread(target=sync.run_pass)
            running.start()
            gate.wait_for_arrivals()
            asked = threading.Thread(target=sync.run_pass)
            asked.start()
            place.write("last")
            report = sync.final(4.0)
            assert [each.path for each in report.not_durable] == ["slow"]
            assert report.error is None
            assert "last" in place.remote()
        running.join()
        asked.join()


def test_the_final_pass_saves_the_last_edit(place: Place) -> None:
    with place.engine() as sync:
        sync.start()
        assert sync.wait_restored(10)
        place.write("a", b"last")
        report = sync.final(10.0)
        assert report.complete, report
        sync.stop()
        assert sync.status().phase is Phase.STOPPED
    assert place.remote() == {"a": b"last"}


@pytest.mark.parametrize("hangs", [False, True])
def test_the_final_pass_names_what_lies_in_a_home_that_was_not_restored(
    place: Place, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """Whether S3 refuses to be listed or does not answer, nothing is sent, and what that costs is named on both sides."""
    monkeypatch.setattr(session, "MAX_NAMED", 2)
    names = {"skeleton": b"long ago", "d/nb.ipynb": b'{"cells": []}', "a": b"text"}
    place.s3.put(place.key("theirs"), b"theirs")
    if hangs:
        place.s3.gate("ListObjectsV2")
    else:
        place.s3.fail("ListObjectsV2", code="InternalError", times=None)
    sync = place.engine()
    sync.start()
    assert not sync.wait_restored(0.3)
    for name, body in names.items():
        place.write(name, body)
    began = time.monotonic()
    report = sync.final(2.0)
    assert time.monotonic() - began < 3.0
    sync.stop()
    assert not report.complete
    assert ("not answer" if hangs else "not restored") in (report.error or "")
    assert report.not_durable_count == 3
    assert [each.path for each in report.not_durable] == ["d/nb.ipynb", "a"]
    assert place.remote() == {"theirs": b"theirs"}
    assert place.s3.count("DeleteObject") == 0
    local = (place.state / "last-shutdown.json").read_bytes()
    assert json.loads(local)["notSavedCount"] == 3
    assert place.s3.body(PREFIX + last_stop.NAME) == local
    place.s3.heal()
    with place.engine() as again:
        again.restore()
        assert [each.path for each in again.status().lost_at_last_stop] == ["d/nb.ipynb", "a"]
        assert again.run_pass().complete
    assert place.remote() == {**names, "theirs": b"theirs"}


def test_a_final_pass_that_comes_after_the_listing_names_what_it_does_not_save_itself(
    place: Place,
) -> None:
    """A second stop, once S3 was listed after all, does not repeat what the first one had to give up."""
    place.write("a")
    place.s3.fail("ListObjectsV2", code="InternalError", times=None)
    sync = place.engine()
    sync.restore()
    assert [each.path for each in sync.final(5.0).not_durable] == ["a"]
    place.s3.heal()
    sync.restore()
    assert sync.final(5.0).complete
    assert place.remote() == {"a": b"text"}


def test_a_stop_with_nothing_to_lose_leaves_what_an_earlier_one_lost_to_be_told(
    place: Place, tmp_path: Path
) -> None:
    """A new machine that S3 did not answer, between the one that lost something and the one that says so."""
    place.write("lost")
    with place.engine() as sync:
        sync.restore()
        place.s3.fail("PutObject", code="InternalError", key=place.key("lost"), times=None)
        assert [each.path for each in sync.final(5.0).not_durable] == ["lost"]
    place.s3.heal()
    place.s3.fail("ListObjectsV2", code="InternalError", times=None)
    with place.engine(home=tmp_path / "second", state=tmp_path / "second-state") as sync:
        sync.restore()
        assert not sync.final(5.0).complete
    place.s3.heal()
    with place.engine(home=tmp_path / "third", state=tmp_path / "third-state") as sync:
        sync.restore()
        assert [each.path for each in sync.status().lost_at_last_stop] == ["lost"]


def test_the_final_pass_of_what_never_began_says_so(place: Place) -> None:
    report = place.engine().final(1.0)
    assert not report.complete
    assert report.error is not None


def test_passes_run_by_themselves_and_status_tells(place: Place) -> None:
    saved = threading.Event()
    seen: list[SyncStatus] = []

    def told(status: SyncStatus) -> None:
        seen.append(status)
        if status.saved_at is not None and place.remote() == {"a": b"two"}:
            saved.set()

    sync = place.engine(interval=0.05)
    sync.on_change = told
    place.write("a", b"one")
    sync.start()
    assert sync.wait_restored(10)
    place.write("a", b"two")
    assert saved.wait(10)
    assert seen[-1].restored
    assert seen[-1].pending_files == 0


def test_a_restore_that_begins_without_s3_goes_on_when_it_is_back(place: Place) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    down = place.s3.fail(None, Fault.RESET_BEFORE, times=None)
    sync = place.engine(interval=0.05)
    sync.start()
    assert not sync.wait_restored(0.2)
    assert sync.status().phase is Phase.RESTORING
    place.s3.wait_until(lambda: down.hits > 0)
    place.s3.heal()
    assert sync.wait_restored(20)
    assert place.local() == {"a": b"remote"}
