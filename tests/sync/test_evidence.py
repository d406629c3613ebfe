"""What other tools were seen to lose, one case after the other, where no other test of this folder has it."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from jupyter_wherobots.mounts import mounts_below
from jupyter_wherobots.sync import capture
from jupyter_wherobots.sync.capture import Quiet
from jupyter_wherobots.sync.clock import Deadline
from jupyter_wherobots.sync.filestat import pack
from jupyter_wherobots.sync.names import beside
from jupyter_wherobots.sync.passes import Kind, Order
from jupyter_wherobots.sync.status import ConflictKind, SkipReason, Why
from tests.strict_s3 import Call
from tests.sync.conftest import PREFIX, Place
from tests.sync.test_restore import elsewhere


@contextmanager
def as_anybody() -> Iterator[None]:
    """Permissions hold for root too, in this thread and those that it starts: as they do where servers run."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # capget(2): version 3, this thread
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~0b1111  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


# -- change ------------------------------------------------------------------------------------------

YEAR = 365 * 86400 * 10**9
TIMES = {
    "before 1970": -3 * YEAR,
    "older": YEAR,
    "years to come": 100 * YEAR,
    "year 2300": 330 * YEAR,
    "year 1600": -370 * YEAR,
}


def in_place(file: Path, body: bytes) -> None:
    with file.open("r+b") as opened:
        opened.write(body)


def replaced(file: Path, body: bytes) -> None:
    staged = file.with_name("staged")
    staged.write_bytes(body)
    staged.chmod(file.stat().st_mode)
    staged.rename(file)


@pytest.mark.parametrize("edit", [in_place, replaced])
@pytest.mark.parametrize("when", TIMES.values(), ids=TIMES)
def test_an_edit_of_the_same_size_is_seen_whatever_its_time_says(
    place: Place, tmp_path: Path, when: int, edit: Callable[[Path, bytes], None]
) -> None:
    file, _ = place.write("a", b"AAAA"), place.write("other")
    os.utime(file, ns=(when, when))
    with place.engine() as sync:
        assert sync.run_pass().complete
        for body in (b"BBBB", b"CCCC"):
            edit(file, body)
            os.utime(file, ns=(when, when))
            assert sync.run_pass().complete
            assert place.remote() == {"a": body, "other": b"text"}
        before = place.s3.counts
        sync.run_pass()
        assert place.s3.counts == before
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert (home / "a").read_bytes() == b"CCCC"
    if abs(when) < 2**63:
        assert (home / "a").stat().st_mtime_ns == file.stat().st_mtime_ns
    assert sync.run_pass().uploaded == 0


def captured(file: Path, stamp: Callable[[], int]) -> bytes:
    """A small file as it is captured on a file system with this time."""
    root = os.open(file.parent, os.O_RDONLY)
    try:
        quiet = Quiet(stamp, lambda _: None)
        return capture.whole(root, os.fsencode(file.name), pack(file.stat()), quiet).body
    finally:
        os.close(root)


def test_half_of_two_versions_is_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes while the file is read: the read gives some of the old bytes and some of the new."""
    file = tmp_path / "f"
    file.write_bytes(b"A" * 100_000)
    old = file.stat()
    read = os.pread

    def torn(fd: int, size: int, at: int) -> bytes:
        monkeypatch.setattr(os, "pread", read)
        in_place(file, b"B" * 100_000)
        while file.stat().st_ctime_ns == old.st_ctime_ns:  # within one tick of the clock
            in_place(file, b"B" * 100_000)
        return b"A" * 50_000 + b"B" * 50_000

    monkeypatch.setattr(os, "pread", torn)
    body = captured(file, lambda: 2**62)
    assert (len(body), set(body)) == (100_000, set(b"B"))


def test_a_file_that_carries_the_present_tick_is_not_captured(tmp_path: Path) -> None:
    """What is written to it in this tick would change no stamp: two equal stats prove nothing."""
    file = tmp_path / "f"
    file.write_bytes(b"text")
    now = file.stat().st_ctime_ns
    with pytest.raises(capture.NotNowError):
        captured(file, lambda: now)
    assert captured(file, lambda: now + 1) == b"text"


def test_a_file_that_becomes_a_fifo_before_its_turn_hangs_nothing(place: Place) -> None:
    for name in ("a", "other"):
        place.write(name, b"one")
    with place.engine(concurrency=1) as sync:
        sync.run_pass()
        for name in ("a", "other"):
            place.write(name, b"two")
        place.write("first.ipynb", b'{"cells": []}')

        def swap(_: Call) -> None:
            (place.home / "a").unlink()
            os.mkfifo(place.home / "a")

        place.s3.on("PutObject", swap, key=place.key("first.ipynb"), times=1)
        report = sync.run_pass(deadline=10)
        assert [(each.path, each.why) for each in report.not_durable] == [("a", Why.CHANGING)]
        assert place.remote()["other"] == b"two"
        sync.run_pass()
        assert sync.run_pass().deleted == 0
    assert place.remote()["a"] == b"one"


# -- what comes and goes, and what cannot be read ---------------------------------------------------------


def test_files_that_vanish_hold_up_no_deletion_and_lose_nothing(place: Place) -> None:
    """In every pass temporary files go between the scan and their turn."""
    gone = [place.write(f"gone{number}", b"gone %d" % number) for number in range(5)]
    for number in range(40):
        place.write(f"stable{number}", b"stable %d" % number)
    with place.engine(concurrency=1) as sync:
        assert sync.run_pass().complete
        for file in gone:
            file.unlink()
        for turn in range(2):
            place.write(f"first{turn}.ipynb", b'{"cells": []}')
            temporary = [place.write(f"tmp{turn}-{number}", b"x" * 99) for number in range(30)]

            def vanish(_: Call, files: list[Path] = temporary) -> None:
                for file in files:
                    file.unlink()

            place.s3.on("PutObject", vanish, key=place.key(f"first{turn}.ipynb"), times=1)
            report = sync.run_pass()
            assert report.complete, report
    assert place.remote() == place.local()


def test_a_file_that_comes_back_at_the_last_moment_is_not_deleted(place: Place) -> None:
    """After the second scan that missed it, and before its turn."""
    file = place.write("a")
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        file.unlink()
        sync.run_pass()
        place.write("new", b"new")

        def come_back(_: Call) -> None:
            file.write_bytes(b"back")

        place.s3.on("PutObject", come_back, key=place.key("new"), times=1)
        assert sync.run_pass().deleted == 0
        assert place.remote()["a"] == b"text"
        assert sync.run_pass().complete
    assert place.asked("DeleteObject", "a") == 0
    assert place.remote() == place.local()


def test_a_folder_that_becomes_a_link_during_the_scan_does_not_lead_out_of_home(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was listed; before what lies in it is read, a link to where folders of the same names lie takes its place."""
    outside = tmp_path / "outside"
    (outside / "r").mkdir(parents=True)
    (outside / "r/a").write_bytes(b"secret")
    place.write("d/r/a", b"mine")
    place.write("other")
    with place.engine() as sync:
        assert sync.run_pass().complete
        inode = (place.home / "d").stat().st_ino
        scandir = os.scandir

        def listed(folder: int) -> object:
            found = list(scandir(folder))
            if os.fstat(folder).st_ino == inode and not (place.home / "d").is_symlink():
                (place.home / "d").rename(tmp_path / "away")
                (place.home / "d").symlink_to(outside)
            return nullcontext(found)

        monkeypatch.setattr(os, "scandir", listed)
        sync.run_pass()
        assert (place.home / "d").is_symlink()
        assert place.remote() == {"d/r/a": b"mine", "other": b"text"}
        for _ in range(3):
            sync.run_pass()
    assert place.remote() == {"d": os.fsencode(outside), "other": b"text"}


@pytest.mark.parametrize("replaced", [False, True])
def test_the_last_pass_finds_a_folder_that_is_moved_to_where_it_had_looked(
    place: Place, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    inodes = {place.write(f"{name}/a", name.encode()).parent.stat().st_ino: name for name in "de"}
    scandir = os.scandir

    def listed(folder: int) -> object:
        if (read := inodes.get(os.fstat(folder).st_ino)) and not (place.home / "moved").exists():
            other = place.home / ("e" if read == "d" else "d")
            other.rename(place.home / "moved")
            if replaced:
                other.mkdir()
        return scandir(folder)

    with place.engine() as sync:
        sync.restore()
        with monkeypatch.context() as patched:
            patched.setattr(os, "scandir", listed)
            assert sync.final(10.0).complete
    assert sorted(place.remote().values()) == [b"d", b"e"]
    assert place.remote() == place.local()


def test_what_nobody_may_read_is_named_and_nothing_of_it_is_lost(place: Place) -> None:
    for name in ("file", "d/inside", "names/inside", "listed/inside", "gone", "other"):
        place.write(name, name.encode())
    with as_anybody(), place.engine() as sync:
        assert sync.run_pass().complete
        place.write("file", b"edited")
        place.write("other", b"edited too")
        (place.home / "gone").unlink()
        modes = {"file": 0, "d": 0, "names": 0o111, "listed": 0o444}
        for name, mode in modes.items():
            (place.home / name).chmod(mode)
        for _ in range(3):
            report = sync.run_pass()
        assert not report.complete
        assert {(each.path, each.why) for each in report.not_durable} == {
            (name, Why.UNREADABLE) for name in ("file", "d/", "names/", "listed/inside")
        }
        assert report.skipped == ()
        saved = {name: name.encode() for name in ("d/inside", "names/inside", "listed/inside")}
        assert place.remote() == {**saved, "file": b"file", "other": b"edited too"}
        for name in modes:
            (place.home / name).chmod(0o755)
        assert sync.run_pass().complete
    assert place.remote() == place.local()


def test_home_is_not_called_saved_while_a_folder_in_it_cannot_be_read(place: Place) -> None:
    """Nobody knows what changed in it: "saved through" stays where it is, in the pass, at the stop and for the next start."""
    place.write("d/inside")
    with as_anybody(), place.engine() as sync:
        assert sync.run_pass().complete
        saved_at = sync.status().saved_at
        (place.home / "d").chmod(0)
        place.write("other")
        assert not sync.run_pass().complete
        assert sync.status().saved_at == saved_at
        assert [each.path for each in sync.status().pending] == ["d/"]
        assert [each.path for each in sync.final(5).not_durable] == ["d/"]
        (place.home / "d").chmod(0o755)
        assert sync.final(5).complete
    assert place.remote() == place.local()


def test_a_folder_that_can_be_read_again_is_no_more_missing(place: Place) -> None:
    """A pass over some folders, which is all that a hint brings in a large home, is enough to see it."""
    place.write("d/inside")
    with as_anybody(), place.engine() as sync:
        (place.home / "d").chmod(0)
        assert [each.path for each in sync.run_pass().not_durable] == ["d/"]
        (place.home / "d").chmod(0o755)
        session = sync._session
        with session.passing:
            report = session.make_pass(
                Order(Kind.FOLDERS, frozenset({b"d"})), Deadline(session.clock, None)
            )
        assert report.not_durable == ()
    assert place.remote() == place.local()


@pytest.mark.parametrize("path", ["lost+found", "d/lost+found"])
def test_what_fsck_finds_in_home_is_not_ours_to_read(place: Place, path: str) -> None:
    """Where home is a file system of its own, ``lost+found`` in it is root's; elsewhere it is a folder like any other."""
    place.write("other")
    (place.home / path).mkdir(parents=True)
    with as_anybody(), place.engine() as sync:
        (place.home / path).chmod(0)
        report = sync.run_pass()
        (place.home / path).chmod(0o700)
    assert report.complete == (path == "lost+found")
    named = report.skipped if report.complete else report.not_durable
    assert [(each.path, each.message[:10]) for each in named] == [
        (f"{path}/", "It belongs" if report.complete else "It cannot ")
    ]


def test_a_home_that_nobody_may_read_is_not_called_saved(place: Place) -> None:
    for name in ("a", "d/b"):
        place.write(name)
    with as_anybody(), place.engine() as sync:
        assert sync.run_pass().complete
        saved_at = sync.status().saved_at
        place.write("a", b"edited")
        place.home.chmod(0)
        for _ in range(3):
            report = sync.run_pass()
            assert not report.complete
            assert report.error is not None
        assert not sync.final(5).complete
        assert sync.status().saved_at == saved_at
        assert place.remote() == {"a": b"text", "d/b": b"text"}
        place.home.chmod(0o755)
        assert sync.run_pass().complete
    assert place.remote() == place.local()


def test_what_was_deleted_in_s3_stays_deleted_although_its_folder_cannot_be_read_at_the_start(
    place: Place,
) -> None:
    for name in ("d/a", "other"):
        place.write(name)
    with as_anybody():
        with place.engine() as sync:
            assert sync.run_pass().complete
        place.s3.delete(place.key("d/a"))
        (place.home / "d").chmod(0)
        with place.engine() as sync:
            sync.restore()
            sync.run_pass()
            (place.home / "d").chmod(0o755)
            for _ in range(3):
                assert sync.run_pass().complete
            assert [(each.path, each.kind) for each in sync.check_remote()] == [
                ("d/a", ConflictKind.DELETED_REMOTELY)
            ]
    assert place.remote() == {"other": b"text"}
    assert (place.home / "d/a").exists()


def test_a_name_of_two_that_goes_is_deleted_and_the_other_one_stays(place: Place) -> None:
    os.link(place.write("one", b"shared"), place.home / "two")
    place.write("other")
    with place.engine() as sync:
        sync.run_pass()
        puts = place.asked("PutObject")
        (place.home / "one").unlink()
        sync.run_pass()
        assert sync.run_pass().deleted == 1
    assert place.remote() == {"two": b"shared", "other": b"text"}
    assert place.asked("PutObject") == puts


@pytest.mark.parametrize("bad", ["one", "two"])
def test_a_name_that_cannot_be_put_keeps_no_other_name_back(place: Place, bad: str) -> None:
    one = place.write("one", b"shared")
    os.link(one, place.home / "two")
    with place.engine() as sync:
        sync.run_pass()
        in_place(one, b"edited")
        place.s3.fail("PutObject", code="AccessDenied", key=place.key(bad), times=None)
        report = sync.run_pass()
        assert [each.path for each in report.not_durable] == [bad]
        place.s3.heal()
        assert sync.run_pass().complete
    assert place.remote() == {"one": b"edited", "two": b"edited"}


# -- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["\u00fc", "\u20ac", "\U0001f600"])
def test_a_kept_version_of_a_long_name_has_a_name_that_people_can_see(
    place: Place, letter: str
) -> None:
    name = letter * (250 // len(letter.encode())) + ".txt"
    file = place.write(name, b"one")
    with place.engine() as sync:
        sync.run_pass()
        place.s3.put(place.key(name), b"theirs")
        file.write_bytes(b"ours")
        (conflict,) = sync.run_pass().conflicts
    assert conflict.kept_as is not None
    assert place.remote() == {name: b"ours", conflict.kept_as: b"theirs"}


def test_a_kept_version_of_a_name_that_is_no_text_has_all_bytes_that_fit() -> None:
    assert beside(b"\xff" * 255, "note") == b"\xff" * 248 + b" (note)"


def test_an_object_beside_a_folder_of_its_name_is_edited_and_deleted_under_its_key(
    place: Place, tmp_path: Path
) -> None:
    place.s3.put(PREFIX + "a", b"object")
    place.s3.put(PREFIX + "a/b", b"inside")
    place.s3.put(PREFIX + "other", b"other")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    (home / "a (S3 object)").write_bytes(b"edited")
    (home / "a/b").write_bytes(b"edited too")
    assert sync.run_pass().complete
    assert place.remote() == {"a": b"edited", "a/b": b"edited too", "other": b"other"}
    (home / "a (S3 object)").unlink()
    sync.run_pass()
    assert sync.run_pass().deleted == 1
    assert place.remote() == {"a/b": b"edited too", "other": b"other"}


# -- other file systems --------------------------------------------------------------------------------------


def test_the_mounts_of_this_machine_are_known() -> None:
    assert b"proc" in mounts_below(Path("/"))


def mount(monkeypatch: pytest.MonkeyPatch, point: Path) -> None:
    """Let the system say that something is mounted there."""
    read = Path.read_bytes
    escaped = os.fsencode(point)
    for byte in b"\\ ":
        escaped = escaped.replace(bytes([byte]), b"\\%03o" % byte)
    line = b"99 1 8:1 / " + escaped + b" rw - ext4 /dev/sda rw\n"

    def mounted(path: Path) -> bytes:
        more = line if path == Path("/proc/self/mountinfo") else b""
        return read(path) + more

    monkeypatch.setattr(Path, "read_bytes", mounted)


@pytest.mark.parametrize("name", ["data", "two words", "b\\ack", "Donn\u00e9es", "\udcff"])
def test_what_a_mount_hides_is_not_deleted_and_nothing_in_it_is_saved(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One of the same device too, that only the list of mounts tells of."""
    place.write("keep")
    place.write(f"{name}/mine", b"mine")
    with place.engine() as sync:
        assert sync.run_pass().complete
        before = place.keys()
        mount(monkeypatch, place.home / name)
        shutil.rmtree(place.home / name)
        place.write(f"{name}/theirs", b"theirs")
        for _ in range(3):
            report = sync.run_pass()
        assert [each.reason for each in report.skipped] == [SkipReason.OTHER_DEVICE]
    assert place.keys() == before


@pytest.mark.parametrize("point", ["share", "share/file"])
def test_what_lies_in_a_mount_gives_way_to_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """It is a team's, or the administrator's, and not home's; S3 has a file of that name from other days."""
    place.write("share/file", b"theirs")
    place.s3.put(PREFIX + "share/file", b"mine")
    mount(monkeypatch, place.home / point)
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete
        assert report.conflicts == ()
        assert sync.run_pass().complete
    assert place.local() == {"share/file": b"theirs"}
    assert place.remote() == {"share/file": b"mine"}
