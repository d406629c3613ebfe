"""Home comes back whole, verified, never over something newer, never outside itself."""

from __future__ import annotations

import errno
import os
import stat
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from jupyter_wherobots.sync import settling
from jupyter_wherobots.sync.service import HomeSync
from jupyter_wherobots.sync.status import ConflictKind
from tests.strict_s3 import Call, Fault
from tests.sync.conftest import PREFIX, Place


def elsewhere(place: Place, tmp_path: Path) -> tuple[HomeSync, Path]:
    """An engine of a new instance: another home, no state."""
    home = tmp_path / "outer" / "other"
    return place.engine(home=home, state=tmp_path / "other-state"), home


def test_mode_time_and_links_come_back(place: Place, tmp_path: Path) -> None:
    script = place.write("bin/run.sh", b"#!/bin/sh")
    script.chmod(0o751)
    os.utime(script, ns=(1, 1_234_567_890_123_456_789))
    (place.home / "link").symlink_to("bin/run.sh")
    (place.home / "dangling").symlink_to("/nowhere/at all")
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    info = (home / "bin/run.sh").stat()
    assert stat.S_IMODE(info.st_mode) == 0o751
    assert info.st_mtime_ns == 1_234_567_890_123_456_789
    assert os.readlink(home / "link") == "bin/run.sh"
    assert os.readlink(home / "dangling") == "/nowhere/at all"
    assert sync.run_pass().uploaded == 0


def test_any_time_that_a_file_system_holds_stops_nothing(place: Place, tmp_path: Path) -> None:
    # A clock without a battery, a damaged archive: ext4 takes times up to the year 2446, 64 bits of ns end in 2262.
    held = {"1969": -(10**9) - 1, "epoch": 0, "2038": 2**31 * 10**9, "2200": 7258118400 * 10**9 + 7}
    times = {**held, "2300": 10413792000 * 10**9, "2440": 14831769600 * 10**9}
    for name, time in times.items():
        os.utime(place.write(name, name.encode()), ns=(time, time))
        folder = place.home / f"in-{name}"
        folder.mkdir()
        os.utime(folder, ns=(time, time))
    with place.engine() as sync:
        assert sync.run_pass().complete
        assert sync.run_pass().uploaded == 0
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == place.local()
    for name, time in held.items():
        assert (home / name).stat().st_mtime_ns == time
        assert (home / f"in-{name}").stat().st_mtime_ns == time
    assert all((home / f"in-{name}").is_dir() for name in times)
    assert sync.run_pass().uploaded == 0


@pytest.mark.parametrize(
    "key",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a//b",
        "./x",
        "a/./b",
        "a/",
        "a/b/",
        "nul\x01",
        "new\nline",
        "..",
        "x" * 300,
        "y/" + "ü" * 200,
    ],
)
def test_no_key_leads_out_of_home(place: Place, tmp_path: Path, key: str) -> None:
    place.s3.put(PREFIX + key, b"remote")
    sync, home = elsewhere(place, tmp_path)
    report = sync.restore()
    assert report.complete, report
    assert list(place.local(home).values()) == [b"remote"]
    assert [each.name for each in home.parent.iterdir()] == ["other"]
    # It is known again under its key: an edit goes back there, and nothing is put twice.
    assert sync.run_pass().uploaded == 0
    (name,) = place.local(home)
    (home / name).write_bytes(b"edited")
    assert sync.run_pass().complete
    assert place.keys() == {PREFIX + key: b"edited"}


def test_an_object_and_a_folder_of_one_name_both_come_back(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "a", b"object")
    place.s3.put(PREFIX + "a/b", b"inside")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == {"a (S3 object)": b"object", "a/b": b"inside"}
    assert sync.run_pass().uploaded == 0


def test_a_folder_marker_is_a_folder(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "empty/inner/", b"")
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert (home / "empty/inner").is_dir()
    assert place.local(home) == {}


def test_a_folder_that_could_not_be_made_is_made_by_a_later_attempt(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.s3.put(PREFIX + "empty/", b"")
    place.s3.put(PREFIX + "a", b"remote")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, place.engine() as sync:
        restored = threading.Event()
        sync.on_change = lambda status: restored.set() if status.restored else None
        patched.setattr(os, "mkdir", full)
        sync.start()
        assert not sync.wait_restored(10)
        patched.undo()
        assert restored.wait(30)
    assert (place.home / "empty").is_dir()


def test_a_link_planted_in_home_is_not_written_through(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "data/x", b"remote")
    outside = tmp_path / "outside"
    outside.mkdir()
    sync, home = elsewhere(place, tmp_path)
    home.mkdir(parents=True)
    (home / "data").symlink_to(outside)
    report = sync.restore()
    assert report.complete, report
    assert list(outside.iterdir()) == []
    assert (home / "data").is_symlink()
    assert (home / "data (from S3)/x").read_bytes() == b"remote"


def test_a_file_from_before_the_start_gives_way_and_is_kept(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + ".bashrc", b"remote")
    sync, home = elsewhere(place, tmp_path)
    home.mkdir(parents=True)
    (home / ".bashrc").write_bytes(b"of the image")
    report = sync.restore()
    assert report.complete
    (conflict,) = report.conflicts
    assert conflict.kind is ConflictKind.REPLACED_LOCALLY
    assert (home / ".bashrc").read_bytes() == b"remote"
    assert conflict.kept_as is not None
    assert Path(conflict.kept_as).read_bytes() == b"of the image"
    assert sync.run_pass().complete
    assert place.remote() == {".bashrc": b"remote"}


def test_a_file_that_was_moved_is_said_although_its_place_stays_empty(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    place.write("a", b"of the image")

    def outage(name: str) -> None:
        if name == "restore.set-aside":
            place.s3.fail("GetObject", code="InternalError", key=PREFIX + "a", times=None)

    monkeypatch.setattr(settling, "failpoint", outage)
    with place.engine() as sync:
        report = sync.restore()
        assert not report.complete
        (conflict,) = report.conflicts
        assert sync.conflicts() == sync.status().conflicts == (conflict,)
        place.s3.heal()
        sync.restore()
        assert sync.conflicts() == (conflict,)
    assert conflict.kept_as is not None
    assert Path(conflict.kept_as).read_bytes() == b"of the image"
    assert place.local() == {"a": b"remote"}


def test_the_same_file_from_before_the_start_stays(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + ".bashrc", b"same")
    sync, home = elsewhere(place, tmp_path)
    home.mkdir(parents=True)
    (home / ".bashrc").write_bytes(b"same")
    inode = (home / ".bashrc").stat().st_ino
    report = sync.restore()
    assert report.complete
    assert report.conflicts == ()
    assert (home / ".bashrc").stat().st_ino == inode


def test_a_file_made_since_the_start_keeps_its_name(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "nb.txt", b"remote")
    sync, home = elsewhere(place, tmp_path)

    def save(_: Call) -> None:
        (home / "nb.txt").write_bytes(b"made since")

    place.s3.on("GetObject", save, key=PREFIX + "nb.txt", times=1)
    report = sync.restore()
    assert report.complete, report
    assert place.local(home) == {"nb.txt": b"made since", "nb (from S3).txt": b"remote"}
    assert sync.run_pass().complete
    assert place.remote() == place.local(home)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.RESET_AFTER])
def test_what_cannot_be_copied_in_s3_comes_beside_once(place: Place, fault: Fault) -> None:
    """However often it is tried: with leave to read alone that is for as long as the server runs."""
    place.s3.put(PREFIX + "nb.txt", b"remote")

    def save(_: Call) -> None:
        place.write("nb.txt", b"made since")

    place.s3.on("GetObject", save, key=PREFIX + "nb.txt", times=1)
    place.s3.fail("CopyObject", fault, times=8)
    both = {"nb.txt": b"made since", "nb (from S3).txt": b"remote"}
    with place.engine() as sync:
        for _ in range(3):
            report = sync.restore()
            assert place.local() == both
        assert report.complete
        assert sync.run_pass().complete
    assert place.remote() == both


def test_what_comes_beside_keeps_a_name_that_s3_cannot_hold(place: Place, tmp_path: Path) -> None:
    name = "\udcff.txt"
    place.write(name, b"remote")
    with place.engine() as sync:
        assert sync.run_pass().complete
    sync, home = elsewhere(place, tmp_path)

    def save(_: Call) -> None:
        (home / name).write_bytes(b"made since")

    (key,) = (key for key, body in place.keys().items() if body == b"remote")
    place.s3.on("GetObject", save, key=key, times=1)
    assert sync.restore().complete
    assert sync.run_pass().complete
    sync.stop()
    both = {name: b"made since", "\udcff (from S3).txt": b"remote"}
    assert place.local(home) == both
    with place.engine(home=tmp_path / "third", state=tmp_path / "third-state") as sync:
        assert sync.restore().complete
    assert place.local(tmp_path / "third") == both


def test_an_edit_made_before_its_restore_is_beside_it(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "a", b"remote")
    sync, home = elsewhere(place, tmp_path)
    home.mkdir(parents=True)
    (home / "a").write_bytes(b"of the image")

    def edit(_: Call) -> None:
        (home / "a").write_bytes(b"edited since")

    place.s3.on("HeadObject", edit, key=PREFIX + "a", times=1)
    assert sync.restore().complete
    assert place.local(home) == {"a": b"edited since", "a (from S3)": b"remote"}


def test_a_file_made_before_s3_could_be_listed_keeps_its_name(place: Place, tmp_path: Path) -> None:
    """S3 did not answer when the server started: somebody works in home until it does."""
    for name in ("nb.txt", ".bashrc"):
        place.s3.put(PREFIX + name, b"remote")
    sync, home = elsewhere(place, tmp_path)
    home.mkdir(parents=True)
    (home / ".bashrc").write_bytes(b"of the image")
    place.s3.fail("ListObjectsV2", code="InternalError", times=None)
    assert not sync.restore().listed
    (home / "nb.txt").write_bytes(b"made since")
    place.s3.heal()
    report = sync.restore()
    assert report.complete, report
    assert place.local(home) == {
        ".bashrc": b"remote",
        "nb.txt": b"made since",
        "nb (from S3).txt": b"remote",
    }
    assert {(each.path, each.kind) for each in report.conflicts} == {
        (".bashrc", ConflictKind.REPLACED_LOCALLY),
        ("nb.txt", ConflictKind.RESTORED_BESIDE),
    }
    assert sync.run_pass().complete
    assert place.remote() == place.local(home)


def test_what_others_said_of_a_file_in_no_ascii_hinders_no_restore(
    place: Place, tmp_path: Path
) -> None:
    """An object whose metadata comes as raw bytes is brought back, and kept aside when it is replaced."""
    place.s3.put(PREFIX + "theirs", b"theirs", metadata={"author": "Jürgen"})
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == {"theirs": b"theirs"}
    place.s3.put(PREFIX + "theirs", b"edited", metadata={"author": "Jürgen"})
    (home / "theirs").write_bytes(b"mine")
    assert sync.run_pass().complete
    assert sorted(place.remote().values()) == [b"edited", b"mine"]
    assert place.remote()["theirs"] == b"mine"


def test_one_unreadable_object_is_named_and_stops_nothing(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "bad", b"bad")
    place.s3.put(PREFIX + "good", b"good")
    place.s3.fail("GetObject", code="InternalError", key=PREFIX + "bad", times=None)
    sync, home = elsewhere(place, tmp_path)
    report = sync.restore()
    assert not report.complete
    assert report.listed
    assert [each.path for each in report.failed] == ["bad"]
    assert place.local(home) == {"good": b"good"}


def test_what_is_not_restored_is_locked_and_the_rest_is_saved(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "bad", b"bad")
    sync, home = elsewhere(place, tmp_path)
    place.s3.fail("GetObject", code="InternalError", key=PREFIX + "bad", times=None)
    sync.restore()
    (home / "bad").write_bytes(b"mine")
    (home / "new").write_bytes(b"new")
    report = sync.run_pass()
    assert not report.complete
    assert place.remote() == {"bad": b"bad", "new": b"new"}


def test_a_short_body_never_becomes_a_file(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "a", b"0123456789" * 1000)
    place.s3.fail("GetObject", Fault.SHORT_BODY, key=PREFIX + "a", times=None)
    sync, home = elsewhere(place, tmp_path)
    assert not sync.restore().complete
    assert place.local(home) == {}
    place.s3.heal()
    assert sync.restore().complete
    assert place.local(home) == {"a": b"0123456789" * 1000}


def test_bytes_that_are_not_the_ones_that_were_put_never_become_a_file(
    place: Place, tmp_path: Path
) -> None:
    described = {"wherobots-sha256": sha256(b"sound").hexdigest()}
    place.s3.put(PREFIX + "a", b"sound", metadata=described)
    place.s3.fail("GetObject", Fault.ROTTEN_BODY, key=PREFIX + "a", times=None)
    sync, home = elsewhere(place, tmp_path)
    report = sync.restore()
    assert [each.path for each in report.failed] == ["a"]
    assert place.local(home) == {}
    place.s3.heal()
    assert sync.restore().complete
    assert place.local(home) == {"a": b"sound"}


def test_bytes_that_rot_once_are_fetched_again(place: Place, tmp_path: Path) -> None:
    place.s3.put(
        PREFIX + "a", b"sound", metadata={"wherobots-sha256": sha256(b"sound").hexdigest()}
    )
    place.s3.fail("GetObject", Fault.ROTTEN_BODY, key=PREFIX + "a", times=1)
    sync, home = elsewhere(place, tmp_path)
    assert sync.restore().complete
    assert place.local(home) == {"a": b"sound"}


def test_an_object_replaced_during_the_restore_comes_in_its_new_version(
    place: Place, tmp_path: Path
) -> None:
    place.s3.put(PREFIX + "a", b"old")
    sync, home = elsewhere(place, tmp_path)
    place.s3.on("GetObject", lambda _: _put(place, b"newer"), key=PREFIX + "a", times=1)
    assert sync.restore().complete
    assert place.local(home) == {"a": b"newer"}
    (home / "a").write_bytes(b"mine")
    assert sync.run_pass().conflicts == ()
    assert place.remote() == {"a": b"mine"}


def _put(place: Place, body: bytes) -> None:
    place.s3.put(PREFIX + "a", body)


def test_an_object_deleted_during_the_restore_is_no_failure(place: Place, tmp_path: Path) -> None:
    place.s3.put(PREFIX + "a", b"old")
    sync, home = elsewhere(place, tmp_path)
    place.s3.on("GetObject", lambda _: place.s3.delete(PREFIX + "a"), key=PREFIX + "a", times=1)
    assert sync.restore().complete
    assert place.local(home) == {}


def test_nothing_is_saved_while_the_listing_fails(place: Place, tmp_path: Path) -> None:
    place.write("a")
    place.s3.fail("ListObjectsV2", code="InternalError", times=None)
    sync = place.engine()
    report = sync.run_pass()
    assert not report.complete
    assert report.error is not None
    assert place.remote() == {}
    place.s3.heal()
    assert sync.run_pass().complete
    assert place.remote() == {"a": b"text"}


def test_a_restart_in_the_same_home_downloads_nothing(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        sync.run_pass()
    with place.engine() as sync:
        report = sync.restore()
        assert report.complete
        assert report.already_there == 1
    assert place.asked("GetObject") == 0


def test_a_restart_without_state_downloads_nothing_that_home_has(
    place: Place, tmp_path: Path
) -> None:
    place.write("a")
    with place.engine() as sync:
        sync.run_pass()
    with place.engine(state=tmp_path / "lost") as sync:
        report = sync.restore()
        assert report.complete
        assert report.restored == 0
        assert sync.run_pass().uploaded == 0
    assert place.asked("GetObject") == 0


def test_what_was_changed_remotely_since_comes_at_the_next_start(place: Place) -> None:
    place.write("a", b"one")
    with place.engine() as sync:
        sync.run_pass()
    place.s3.put(place.key("a"), b"theirs")
    place.s3.put(place.key("new"), b"theirs")
    with place.engine() as sync:
        assert sync.restore().complete
        assert place.local() == {"a": b"theirs", "new": b"theirs"}
        assert sync.run_pass().uploaded == 0


def test_what_was_changed_on_both_sides_since_is_kept_twice(place: Place) -> None:
    place.write("a", b"one")
    with place.engine() as sync:
        sync.run_pass()
    place.write("a", b"ours")
    place.s3.put(place.key("a"), b"theirs")
    with place.engine() as sync:
        assert sync.restore().complete
        (conflict,) = sync.run_pass().conflicts
    assert conflict.kept_as is not None
    assert place.remote() == {"a": b"ours", conflict.kept_as: b"theirs"}


def test_another_folder_in_homes_place_is_restored_and_deletes_nothing(place: Place) -> None:
    place.write("a")
    with place.engine() as sync:
        sync.run_pass()
    place.home.rename(place.home.with_name("gone"))
    place.home.mkdir()
    with place.engine() as sync:
        assert sync.run_pass().complete
    assert place.local() == {"a": b"text"}


def test_a_full_disk_is_said_before_anything_is_written(place: Place, tmp_path: Path) -> None:
    place.s3.put_synthetic(PREFIX + "huge", 10**15)
    place.s3.put(PREFIX + "small", b"small")
    sync, home = elsewhere(place, tmp_path)
    report = sync.restore()
    assert not report.complete
    (failed,) = report.failed
    assert failed.path == "huge"
    assert "no room" in failed.message
    assert place.local(home) == {"small": b"small"}


def test_a_large_object_is_verified_too(place: Place, tmp_path: Path) -> None:
    body = os.urandom(40 * 1024 * 1024)
    for name in ("good", "bad"):
        described = {"wherobots-sha256": sha256(body).hexdigest()}
        place.s3.put(PREFIX + name, body, metadata=described)
    place.s3.fail("GetObject", Fault.ROTTEN_BODY, key=PREFIX + "bad", times=None)
    sync, home = elsewhere(place, tmp_path)
    report = sync.restore()
    assert [each.path for each in report.failed] == ["bad"]
    assert place.local(home) == {"good": body}
    assert sync.run_pass().uploaded == 0


def test_an_object_whose_key_ends_with_a_slash_loses_none_of_its_bytes(
    place: Place, tmp_path: Path
) -> None:
    """Such as some tools make for a folder, but with something in it; and what lies below it comes too."""
    place.s3.put(place.key("trail/"), b"body")
    place.s3.put(place.key("trail/x"), b"x")
    engine = place.engine(tmp_path / "new", tmp_path / "state2")
    assert engine.restore().complete
    assert sorted(place.local(tmp_path / "new").values()) == [b"body", b"x"]
    assert engine.run_pass().complete
    assert place.s3.body(place.key("trail/")) == b"body"
