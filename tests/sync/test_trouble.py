"""Trouble that other tools were seen to lose something by: in S3, with credentials, on disks, and in the mirror itself."""

from __future__ import annotations

import errno
import json
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_wherobots.errors import StorageFailed
from jupyter_wherobots.s3 import session
from jupyter_wherobots.sync import passes
from jupyter_wherobots.sync.mappings import open_here
from jupyter_wherobots.sync.removal import Remover
from jupyter_wherobots.sync.status import Why
from tests.strict_s3 import Call, Fault, When
from tests.sync.conftest import PREFIX, Place
from tests.sync.test_evidence import as_anybody
from tests.sync.test_restore import elsewhere

MIB = 1024 * 1024


@contextmanager
def disk_full(largest: int) -> Iterator[None]:
    """No file can become larger than this, the journal included: writing stops in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# -- what others do in S3 ------------------------------------------------------------------------------------


def test_an_edit_of_others_after_theirs_was_kept_is_kept_too(place: Place) -> None:
    file = place.write("a.txt", b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key("a.txt"), b"theirs")
        file.write_bytes(b"ours")

        def again(_: Call) -> None:
            place.s3.put(place.key("a.txt"), b"theirs again")

        place.s3.on("CopyObject", again, when=When.AFTER, times=1)
        report = sync.run_pass()
        assert report.complete
    assert sorted(place.remote().values()) == [b"ours", b"theirs", b"theirs again"]
    assert place.remote()["a.txt"] == b"ours"


MOMENTS = {
    "over a small one": ("PutObject", "a.txt"),
    "over a large one": ("CompleteMultipartUpload", "large.txt"),
    "a new name": ("PutObject", "new.txt"),
    "a new name of a large one": ("CompleteMultipartUpload", "new-large.txt"),
    "where a file was moved to": ("CopyObject", "moved.txt"),
    "what is deleted": ("DeleteObject", "gone.txt"),
}


@pytest.mark.parametrize(("operation", "name"), MOMENTS.values(), ids=MOMENTS)
def test_what_others_put_in_the_very_moment_is_kept(
    place: Place, operation: str, name: str
) -> None:
    """After whatever look the mirror may have taken, and before its own request is carried out."""
    place.write("other")
    files = {each: place.write(each, each.encode()) for each in ("a.txt", "source.txt", "gone.txt")}
    files["large.txt"] = place.write("large.txt", b"large" + bytes(16 * MIB))
    with place.engine() as sync:
        assert sync.run_pass().complete
        files["a.txt"].write_bytes(b"edited")
        files["large.txt"].write_bytes(b"edited" + bytes(16 * MIB))
        place.write("new.txt", b"new")
        place.write("new-large.txt", b"new" + bytes(16 * MIB))
        files["source.txt"].rename(place.home / "moved.txt")
        files["gone.txt"].unlink()

        def intrude(_: Call) -> None:
            place.s3.put(place.key(name), b"theirs")

        hook = place.s3.on(operation, intrude, key=place.key(name), times=1)
        for _ in range(4):
            report = sync.run_pass()
        assert hook.hits == 1
        assert report.complete
        assert len(sync.conflicts()) == 1
    remote = place.remote()
    assert list(remote.values()).count(b"theirs") == 1
    assert {path: remote[path] for path in place.local()} == place.local()
    assert len(remote) == len(place.local()) + 1


SAID = {
    "all that S3 takes": {"note": "x" * 2044},
    "the name of a header": {"content-type": "text/plain"},
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_what_others_say_of_their_version_does_not_keep_it_from_being_kept(
    place: Place, tmp_path: Path, said: dict[str, str]
) -> None:
    """Metadata that cannot be sent again, or leaves no room for ours: the bytes are kept all the same."""
    file = place.write("a.txt", b"one")
    with place.engine() as sync:
        assert sync.run_pass().complete
        place.s3.put(place.key("a.txt"), b"theirs", metadata=said)
        file.write_bytes(b"ours")
        report = sync.run_pass()
        assert report.complete, report.not_durable
        (conflict,) = report.conflicts
        assert place.remote() == {"a.txt": b"ours", conflict.kept_as: b"theirs"}
    place.s3.put(place.key("b.txt"), b"theirs", metadata=said)
    sync, home = elsewhere(place, tmp_path)

    def save(_: Call) -> None:
        (home / "b.txt").write_bytes(b"made since")

    place.s3.on("GetObject", save, key=place.key("b.txt"), times=1)
    restored = sync.restore()
    assert restored.complete, restored.failed
    assert sync.run_pass().complete
    assert place.remote() == place.local(home)
    assert place.remote()["b (from S3).txt"] == b"theirs"


@pytest.mark.parametrize("name", ["\udcff.txt", "new\nline.txt", "/".join(["deep" * 60] * 5)])
def test_a_name_that_s3_cannot_hold_is_kept_twice_like_any_other(
    place: Place, tmp_path: Path, name: str
) -> None:
    file = place.write(name, b"one")
    with place.engine() as sync:
        assert sync.run_pass().complete
        (key,) = (key for key, body in place.keys().items() if body == b"one")
        place.s3.put(key, b"theirs")
        file.write_bytes(b"ours")
        report = sync.run_pass()
        assert report.complete
        assert len(report.conflicts) == 1
    kept = [body for body in place.keys().values() if body in (b"one", b"ours", b"theirs")]
    assert sorted(kept) == [b"ours", b"theirs"]
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    found = place.local(home)
    assert found.pop(name) == b"ours"
    ((other, body),) = found.items()
    assert body == b"theirs"
    assert "(S3 version " in other
    assert Path(other).parent == Path(name).parent


@pytest.mark.parametrize("known", [False, True])
def test_a_put_that_arrives_long_after_its_pass_harms_nothing(place: Place, known: bool) -> None:
    """Its process gave it up, and has put newer bytes since."""
    file = place.write("a", b"one")
    place.write("other")
    arrives = threading.Event()

    def linger(_: Call) -> None:
        assert arrives.wait(30)

    with place.engine(lease=False) as sync:
        if known:
            assert sync.run_pass().complete
        else:
            sync.restore()
        file.write_bytes(b"two")
        before = place.asked("PutObject", "a")
        place.s3.on("PutObject", linger, key=place.key("a"), times=1)
        assert not sync.run_pass(deadline=2.0).complete
        file.write_bytes(b"three")
        report = sync.run_pass()
        assert report.complete, report
        arrives.set()
        place.s3.wait_until(lambda: place.asked("PutObject", "a") == before + 2)
        for _ in range(2):
            report = sync.run_pass()
            assert report.complete
        assert sync.conflicts() == ()
    assert place.remote() == {"a": b"three", "other": b"text"}


def test_a_file_that_differs_is_not_taken_for_restored(place: Place, tmp_path: Path) -> None:
    """The state is lost, and home is not: what was edited since has another checksum than what was put."""
    place.write("a", b"one")
    place.write("same")
    with place.engine() as sync:
        assert sync.run_pass().complete
    place.write("a", b"two")
    with place.engine(state=tmp_path / "lost") as sync:
        report = sync.restore()
        assert report.complete
        assert [each.path for each in report.conflicts] == ["a"]
        assert sync.run_pass().complete
    assert place.remote() == place.local() == {"a": b"one", "same": b"text"}
    (aside,) = (tmp_path / "lost/replaced").iterdir()
    assert aside.read_bytes() == b"two"


def test_an_edit_in_s3_that_kept_the_checksum_is_not_taken_for_what_home_has(
    place: Place, tmp_path: Path
) -> None:
    place.write("a", b"mine")
    with place.engine() as sync:
        assert sync.run_pass().complete
    version = place.s3.object(place.key("a"))
    assert version is not None
    place.s3.put(place.key("a"), b"theirs", metadata=version.metadata)
    with place.engine(state=tmp_path / "lost") as sync:
        report = sync.restore()
        assert report.complete
        (conflict,) = report.conflicts
        assert conflict.kept_as is not None
        assert Path(conflict.kept_as).read_bytes() == b"mine"
    assert place.local() == {"a": b"theirs"}


def test_an_edit_in_s3_that_kept_the_checksum_comes_back(place: Place, tmp_path: Path) -> None:
    place.write("a", b"mine")
    with place.engine() as sync:
        assert sync.run_pass().complete
    version = place.s3.object(place.key("a"))
    assert version is not None
    place.s3.put(place.key("a"), b"edited there", metadata=version.metadata)
    home = tmp_path / "new"
    with place.engine(home=home, state=tmp_path / "new-state") as sync:
        assert sync.restore().complete
        assert (home / "a").read_bytes() == b"edited there"
        (home / "a").write_bytes(b"edited here")
        assert sync.run_pass().complete
    assert place.remote() == {"a": b"edited here"}


def test_a_lost_put_of_a_file_that_is_gone_gives_no_right_to_what_others_put_there(
    place: Place,
) -> None:
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        file = place.write("a")
        place.s3.fail("PutObject", Fault.RESET_BEFORE, key=place.key("a"), times=None)
        place.s3.fail("HeadObject", code="InternalError", key=place.key("a"), times=None)
        assert not sync.run_pass().complete
        place.s3.heal()
        place.s3.put(place.key("a"), b"theirs")
        file.unlink()
        for _ in range(4):
            assert sync.run_pass().deleted == 0
    assert place.remote() == {"a": b"theirs", "other": b"text"}


def test_what_is_restored_while_a_lost_put_of_it_is_looked_for_is_saved_from_then_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        file = place.write("a")
        place.s3.fail("PutObject", Fault.RESET_BEFORE, key=place.key("a"), times=None)
        place.s3.fail("HeadObject", code="InternalError", key=place.key("a"), times=None)
        assert not sync.run_pass().complete
    place.s3.heal()
    place.s3.put(place.key("a"), b"theirs")
    file.unlink()
    gate = place.s3.gate("GetObject", key=place.key("a"))
    deliver = Remover._deliver
    with place.engine() as sync:

        def late(*arguments: Any) -> None:
            gate.release()
            assert sync.wait_restored(10)
            deliver(*arguments)

        monkeypatch.setattr(Remover, "_deliver", late)
        sync.start()
        assert sync.wait_restored(10)
        sync.run_pass()
        monkeypatch.undo()
        assert file.read_bytes() == b"theirs"
        file.write_bytes(b"edited")
        assert sync.run_pass().complete
    assert place.remote() == {"a": b"edited", "other": b"text"}


def test_a_name_of_two_that_was_edited_during_the_restore_is_not_the_other_one(
    place: Place, tmp_path: Path
) -> None:
    """The second name is given when all files are there; by then the first one is another file."""
    os.link(place.write("one", b"shared"), place.home / "two")
    place.write("large", b"last of all" * MIB)
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)

    def edit(call: Call) -> None:
        if call.key == place.key("one"):
            came.set()
            return
        assert came.wait(10)
        while not (home / "one").exists():
            threading.Event().wait(0.01)
        (home / "one").write_bytes(b"edited")

    came = threading.Event()
    for name in ("one", "large"):
        place.s3.on("GetObject", edit, key=place.key(name), when=When.BEFORE)
    assert sync.restore().complete
    found = place.local(home)
    assert (found["one"], found["two"]) == (b"edited", b"shared")
    assert len(found) == 3
    assert sync.run_pass().complete
    assert place.remote() == found


def test_a_restore_that_was_interrupted_fetches_nothing_twice(place: Place, tmp_path: Path) -> None:
    for number in range(40):
        place.s3.put(PREFIX + f"f{number:02d}", b"%d" % number)
    home, state = tmp_path / "other", tmp_path / "other-state"
    sync = place.engine(home=home, state=state, concurrency=1)

    def end(_: Call) -> None:
        sync.final(0.0)

    place.s3.on("GetObject", end, key=PREFIX + "f20", times=1)
    assert not sync.restore().complete
    sync.stop()
    came = len(place.local(home))
    assert 0 < came < 40
    asked = place.asked("GetObject")
    with place.engine(home=home, state=state) as again:
        assert again.restore().complete
        # The one that was under way may be asked for once more.
        assert place.asked("GetObject") - asked <= 40 - came + 1
        assert place.local(home) == place.remote()
        assert again.run_pass().uploaded == 0


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_of_s3_that_is_hours_off_changes_nothing(
    place: Place, tmp_path: Path, hours: int
) -> None:
    place.s3.clock.advance(hours * 3600)
    file, gone = place.write("a.txt", b"one"), place.write("gone")
    with place.engine() as sync:
        assert sync.run_pass().complete
        before = place.s3.counts
        assert sync.run_pass().complete
        assert place.s3.counts == before
        file.write_bytes(b"two")
        gone.unlink()
        assert sync.run_pass().uploaded == 1
        assert sync.run_pass().deleted == 1
        place.s3.put(place.key("a.txt"), b"theirs")
        file.write_bytes(b"three")
        (conflict,) = sync.run_pass().conflicts
        assert place.remote() == {"a.txt": b"three", conflict.kept_as: b"theirs"}
    place.s3.clock.advance(-2 * hours * 3600)
    file.write_bytes(b"four")
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == place.remote()
    assert sync.run_pass().uploaded == 0


@pytest.mark.parametrize("trouble", ["expired", "skewed"])
def test_credentials_that_end_in_the_middle_lose_nothing_and_what_was_put_is_known(
    place: Place, trouble: str
) -> None:
    with place.engine(concurrency=1, lease=False) as sync:
        sync.run_pass()
        for number in range(20):
            place.write(f"f{number:02d}", b"%d" % number)
        signatures = place.s3.signatures

        def end(_: Call) -> None:
            if trouble == "expired":
                signatures.expired = True
            else:
                signatures.enforce_time = True
                place.s3.clock.advance(3600)

        place.s3.on("PutObject", end, key=place.key("f*"), when=When.AFTER, times=1)
        report = sync.run_pass()
        assert "clock" in (report.error or "")
        saved = len(place.remote())
        assert 1 <= saved < 20
        assert report.not_durable_count == 20 - saved
        assert sync.run_pass().uploaded == 0
        signatures.expired = signatures.enforce_time = False
        report = sync.run_pass()
        assert report.complete
        assert report.conflicts == ()
    assert place.remote() == place.local()


@pytest.mark.parametrize("source", ["file", "program"])
def test_a_running_mirror_takes_the_credentials_that_somebody_renews(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Whether they are expired from the start or expire later: new ones in the shared file, or from a program, are enough."""
    monkeypatch.setattr(session, "_RENEW_INTERVAL", 0.0)
    answer, config = tmp_path / "credentials", tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = cat {answer}")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if source == "program":
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    else:
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(answer))

    signatures = place.s3.signatures

    def issue(token: str) -> None:
        """Only these credentials are taken from now on."""
        signatures.session_token = token
        said = {"Version": 1, "AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": token}
        profile = f"aws_access_key_id = k\naws_secret_access_key = s\naws_session_token = {token}"
        answer.write_text(json.dumps(said) if source == "program" else f"[default]\n{profile}\n")
        signatures.expired = False

    issue("first")
    signatures.expired = True
    refused = threading.Event()
    sync = place.engine(interval=0.1)
    sync.on_change = lambda status: refused.set() if "expired" in (status.error or "") else None
    place.write("a", b"first")
    sync.start()
    for number in ("second", "third"):
        assert refused.wait(30), sync.status()
        issue(number)
        place.s3.wait_until(lambda: place.remote() == place.local(), 30)
        signatures.expired = True
        place.write("a", number.encode())
        refused.clear()
    assert refused.wait(30)


def test_files_that_are_refused_do_not_keep_the_others_waiting_for_ever(place: Place) -> None:
    """More of them than it takes to think that S3 does not work at all, and newer than all others."""
    place.s3.deny(PREFIX + "refused")
    for number in range(20):
        place.write(f"good{number}", b"%d" % number)
    for number in range(60):
        place.write(f"refused{number}.ipynb", b'{"cells": [%d]}' % number)
    with place.engine(concurrency=4) as sync:
        for _ in range(5):
            report = sync.run_pass()
        assert len(place.remote()) == 20
        assert report.not_durable_count == 60
        assert report.error is not None
        place.write("new", b"new")
        sync.run_pass()
        assert place.remote()["new"] == b"new"
        place.s3.allow_all()
        assert sync.run_pass().complete
    assert place.remote() == place.local()


@pytest.mark.parametrize(("code", "count"), [("AccessDenied", 60), ("InternalError", 12)])
def test_objects_that_are_refused_do_not_keep_the_others_from_coming_back(
    place: Place, tmp_path: Path, code: str, count: int
) -> None:
    place.s3.put(PREFIX + "first.ipynb", b"x")
    place.s3.clock.advance(-60)
    for number in range(count):
        place.s3.put(PREFIX + f"refused{number}.ipynb", b"x")
    for number in range(19):
        place.s3.put(PREFIX + f"good{number}", b"x")
    place.s3.fail("GetObject", code=code, key=PREFIX + "refused*", times=None)
    home = tmp_path / "other"
    sync = place.engine(home=home, state=tmp_path / "other-state", concurrency=4)
    sync.restore()
    for _ in range(30):
        report = sync._session.restore_on()
        if len(place.local(home)) == 20:
            break
    assert len(place.local(home)) == 20
    assert not report.complete
    place.s3.heal()
    assert sync._session.restore_on().complete
    assert len(place.local(home)) == 20 + count


@pytest.mark.parametrize("code", ["EntityTooLarge", "NotImplemented", "AccessDenied"])
def test_what_s3_takes_from_nobody_is_named_and_keeps_nothing_else_back(
    place: Place, code: str
) -> None:
    file = place.write("large", b"one")
    with place.engine() as sync:
        sync.run_pass()
        file.write_bytes(b"larger")
        for number in range(40):
            place.write(f"f{number}", b"%d" % number)
        place.s3.fail("PutObject", code=code, key=place.key("large"), times=None)
        report = sync.run_pass()
        assert [(each.path, each.why) for each in report.not_durable] == [("large", Why.FAILED)]
        assert report.not_durable[0].message
    assert place.remote() == {**place.local(), "large": b"one"}


# -- disks -----------------------------------------------------------------------------------------------------


def test_a_file_with_holes_is_saved_and_comes_back_byte_for_byte(
    place: Place, tmp_path: Path
) -> None:
    file = place.write("holes", b"begin")
    with file.open("r+b") as opened:
        opened.seek(17 * MIB)
        opened.write(b"middle")
        opened.truncate(18 * MIB)
    (place.home / "nothing").touch()
    os.truncate(place.home / "nothing", 3 * MIB)
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert place.remote() == place.local()
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == place.local()


def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_nothing_of_it(
    place: Place, tmp_path: Path
) -> None:
    place.s3.put(PREFIX + "small", b"small")
    place.s3.put(PREFIX + "d/large", b"x" * (3 * MIB))
    sync, home = elsewhere(place, tmp_path)
    sync.open()
    with disk_full(MIB):
        report = sync.restore()
        assert [each.path for each in report.failed] == ["d/large"]
        assert place.local(home) == {"small": b"small"}
        assert sync.run_pass().deleted == 0
    assert sync.restore().complete
    assert place.local(home) == place.remote()


def test_a_full_disk_ends_no_restore_for_good(place: Place, tmp_path: Path) -> None:
    """What is still to come cannot even be written down."""
    for number in range(200):
        place.s3.put(PREFIX + f"{number:03d}" + "x" * 200, b"%d" % number)
    sync, home = elsewhere(place, tmp_path)
    said = threading.Event()
    sync.on_change = lambda status: said.set() if status.error else None
    sync.open()
    with disk_full(32 * 1024):
        sync.start()
        assert said.wait(10)
    assert sync.wait_restored(30)
    assert place.local(home) == place.remote()


def test_a_full_disk_ends_no_saving_for_good(place: Place) -> None:
    with place.engine(interval=0.05) as sync:
        sync.start()
        assert sync.wait_restored(10)
        said = threading.Event()
        sync.on_change = lambda status: said.set() if "disk" in (status.error or "") else None
        with disk_full(32 * 1024):
            for number in range(200):
                place.write(f"{number:03d}" + "x" * 200, b"%d" % number)
            assert said.wait(10)
        place.s3.wait_until(lambda: place.remote() == place.local(), 30)


def test_a_disk_that_is_full_at_the_start_is_said_and_may_be_tried_again(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        assert sync.run_pass().complete
    place.write("a", b"edited")
    sync = place.engine()
    with disk_full(0), pytest.raises(StorageFailed):
        sync.open()
    assert sync.run_pass().complete
    assert place.remote() == {"a": b"edited"}


def test_a_state_that_became_read_only_is_said_and_may_be_tried_again(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        assert sync.run_pass().complete
    (journal,) = place.state.glob("journal-*.db")
    sync = place.engine()
    with as_anybody():
        journal.chmod(0o444)
        with pytest.raises(StorageFailed):
            sync.open()
        for file in place.state.glob("journal-*"):  # SQLite's own are as the journal was
            file.chmod(0o644)
        assert sync.run_pass().complete


@pytest.mark.parametrize("call", ["pread", "fstat"])
def test_a_large_file_on_a_bad_disk_keeps_no_other_from_being_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    bad = place.write("bad", bytes(17 * MIB)).stat().st_ino
    place.write("good", bytes(18 * MIB))
    place.write("gone")
    fstat, real = os.fstat, getattr(os, call)

    def failing(fd: int, *rest: int) -> object:
        if fstat(fd).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, *rest)

    with place.engine() as sync:
        sync.run_pass()
        place.write("good", bytes(19 * MIB))
        place.write("bad", bytes(18 * MIB))
        (place.home / "gone").unlink()
        monkeypatch.setattr(os, call, failing)
        sync.run_pass()
        report = sync.run_pass()
        monkeypatch.undo()
        assert bad not in {inode for _, inode in open_here()}
        assert report.error is None
        assert [(each.path, each.why) for each in report.not_durable] == [("bad", Why.UNREADABLE)]
    assert place.remote() == {"bad": bytes(17 * MIB), "good": bytes(19 * MIB)}


def test_a_folder_that_nobody_may_write_to_is_filled_in_two_attempts(
    place: Place, tmp_path: Path
) -> None:
    for name in ("ro/below/one", "ro/below/two", "ro/other"):
        place.write(name, name.encode())
    for name in ("ro/below", "ro"):
        (place.home / name).chmod(0o555)
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)
    with as_anybody():
        refused = place.s3.fail(
            "GetObject", code="InternalError", key=place.key("ro/below/two"), times=None
        )
        assert not sync.restore().complete
        assert refused.hits
        place.s3.heal()
        assert sync._session.restore_on().complete
    assert place.local(home) == place.remote()
    assert [(home / name).stat().st_mode & 0o777 for name in ("ro", "ro/below")] == [0o555, 0o555]


# -- the mirror itself -------------------------------------------------------------------------------------------


def test_a_copy_of_the_mirrors_own_state_in_s3_does_not_come_over_it(
    place: Place, tmp_path: Path
) -> None:
    """Such as lies there when somebody copied all of an earlier home with another tool."""
    place.write("a")
    state = ".local/state/w"
    with place.engine(state=place.home / state) as sync:
        assert sync.run_pass().complete
    for file in sorted((place.home / state).iterdir()):
        if file.is_file():
            place.s3.put(place.key(f"{state}/{file.name}"), b"of another home")
    place.s3.put(place.key(f"{state}/more"), b"of another home")
    place.s3.put(place.key(".local/state/other"), b"somebody's")
    remote = place.remote()
    for new in (False, True):
        home = tmp_path / "new" if new else place.home
        with place.engine(home=home, state=home / state) as sync:
            lock = (home / state / "lock").stat().st_ino
            assert sync.restore().complete
            assert sync.run_pass().complete
            assert (home / state / "lock").stat().st_ino == lock
            assert not (home / state / "more").exists()
            assert (home / ".local/state/other").read_bytes() == b"somebody's"
            assert sync.conflicts() == ()
        found = [file.read_bytes() for file in (home / state).rglob("*") if file.is_file()]
        assert b"of another home" not in found
        assert place.remote() == remote


def test_a_fault_of_the_mirror_itself_does_not_end_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    struck = threading.Event()

    def strike(name: str) -> None:
        if name == "pass.scanned" and not struck.is_set():
            struck.set()
            raise RuntimeError("a mistake")

    sync = place.engine(interval=0.05)
    sync.start()
    assert sync.wait_restored(10)
    monkeypatch.setattr(passes, "failpoint", strike)
    assert struck.wait(10)
    place.write("a")
    place.s3.wait_until(lambda: place.remote() == {"a": b"text"}, 30)
    assert "a mistake" in caplog.text
